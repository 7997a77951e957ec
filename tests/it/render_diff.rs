//! `render --diff`: the resources of another commit against those of the working tree.

use std::process::Command;

use crate::support::project::{Project, project_yaml, tenant_yaml, workspace_yaml};

struct Repository {
    project: Project,
}

impl Repository {
    fn new() -> Repository {
        let project = Project::empty();
        project.write("shop/synthex.yaml", project_yaml("test").replace("spec: {}", "spec: {workspace: w}"));
        project.write("shop/manifests/w.yaml", workspace_yaml("w"));
        project.write("shop/manifests/A.yaml", tenant_yaml("A", "w"));
        project.write("shop/manifests/B.yaml", tenant_yaml("B", "w"));
        let set = "apiVersion: synthex.dev/v1\nkind: TenantSet\nmetadata: {name: set}\nspec: {from: {csv: ../rows.csv}}\n";
        project.write("shop/manifests/set.yaml", set);
        project.write("shop/rows.csv", "tenantId,name,type,shopifyShop\nR1,Row,shopify,r1.myshopify.com\n");
        let repository = Repository { project };
        repository.git(&["init", "-q", "-b", "main"]);
        repository.commit();
        repository
    }

    fn git(&self, args: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
        let run = Command::new("git").args(identity).args(args).current_dir(self.project.path()).output();
        let run = run.expect("git runs");
        assert!(run.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&run.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    }

    fn diff(&self, args: &[&str]) -> crate::support::cli::Outcome {
        let all = ["render", "-f", "shop", "--detailed-exitcode", "--diff"];
        self.project.synthex(all.iter().chain(args).copied()).run()
    }
}

#[test]
fn each_resource_that_differs_has_a_diff() {
    let repository = Repository::new();
    assert_eq!(repository.diff(&["HEAD"]).ok().stdout, "");
    let project = &repository.project;
    project
        .write("shop/manifests/A.yaml", tenant_yaml("A", "w").replace("displayName: A", "displayName: Ah"));
    project.remove("shop/manifests/B.yaml");
    project.write("shop/manifests/C.yaml", tenant_yaml("C", "w"));
    project.write("shop/rows.csv", "tenantId,name,type,shopifyShop\nR1,Rows,shopify,r1.myshopify.com\n");
    let diff = repository.diff(&["HEAD"]).code(2).stdout;
    let changed = "--- tenant/w/A (HEAD)\n+++ tenant/w/A (now)\n@@ -4,7 +4,7 @@\n   name: A\n   workspace: w\n spec:\n-  displayName: A\n+  displayName: Ah\n";
    for part in [
        changed,
        "--- tenant/w/B (HEAD)\n+++ /dev/null\n",
        "--- /dev/null\n+++ tenant/w/C (now)\n",
        "-  displayName: Row\n+  displayName: Rows\n",
    ] {
        assert!(diff.contains(part), "{part}\nis not in\n{diff}");
    }
    let json = repository.diff(&["main", "--format", "json"]).code(2).json();
    let keys: Vec<&str> = json.as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["tenant/w/A", "tenant/w/B", "tenant/w/C", "tenant/w/R1"]);
    assert!(json[2]["before"].is_null() && json[1]["after"].is_null(), "{json}");
    let one = repository.diff(&["HEAD", "tenant/A"]).code(2);
    assert!(!one.stdout.contains("tenant/w/C"), "{one}");
    // Where things stand in files makes no difference, and what was committed since does not either.
    repository.commit();
    repository.diff(&["HEAD"]).ok();
    repository.diff(&["HEAD~1"]).code(2);
}

#[test]
fn the_project_file_and_the_overlays_are_those_of_the_commit() {
    let repository = Repository::new();
    let project = &repository.project;
    let with = "spec: {workspace: w, variables: {X: x}, environments: {prod: {overlays: [envs/prod]}}}";
    project.write("shop/synthex.yaml", project_yaml("test").replace("spec: {}", with));
    let patch = "apiVersion: synthex.dev/v1\nkind: Patch\nmetadata: {name: a}\nspec:\n  target: {kind: Tenant, name: A}\n  \
                 patch: {spec: {industry: \"${X}\"}}\n";
    project.write("shop/envs/prod/a.yaml", patch);
    // Before there were environments, there was one.
    let diff = repository.diff(&["HEAD", "-e", "prod"]).code(2).stdout;
    assert!(diff.contains("+  industry: x\n") && !diff.contains("tenant/w/B"), "{diff}");
    repository.commit();
    repository.diff(&["HEAD", "-e", "prod"]).ok();
    project
        .write("shop/synthex.yaml", project_yaml("test").replace("spec: {}", &with.replace("X: x", "X: z")));
    let diff = repository.diff(&["HEAD", "-e", "prod"]).code(2).stdout;
    assert!(diff.contains("-  industry: x\n+  industry: z\n"), "{diff}");
}

#[test]
fn what_git_does_not_know_is_said() {
    let repository = Repository::new();
    repository.diff(&["no-such-branch"]).code(3).stderr_has("git knows no commit `no-such-branch`");
    for strange in ["--output=pwned", "-x", "HEAD:shop", "", "HEAD; touch pwned"] {
        repository.diff(&[strange]).code(3).stderr_has("git knows no commit");
    }
    assert!(!repository.project.path().join("pwned").exists());
    let none = repository.diff(&["HEAD", "-f", "shop/manifests/w.yaml"]).code(3);
    assert!(none.stderr.contains("--file names a part"), "{none}");
    let run = || repository.project.synthex(["render", "-f", "shop", "--diff", "HEAD"]);
    run().env("PATH", "/nonexistent").run().code(3).stderr_has("git cannot be run");
    std::fs::remove_dir_all(repository.project.path().join(".git")).expect("it can be removed");
    run().env("GIT_CEILING_DIRECTORIES", "/").run().code(3).stderr_has("not a git repository");
    repository.git(&["init", "-q", "-b", "main"]);
    repository.git(&["commit", "-q", "--allow-empty", "-m", "nothing"]);
    run().run().code(3).stderr_has("HEAD has no shop/synthex.yaml");
    repository.project.synthex(["render", "-f", "shop", "--detailed-exitcode"]).run().code(3);
}

#[test]
fn a_commit_whose_source_was_missing_or_wrong_is_not_taken_as_empty() {
    let repository = Repository::new();
    repository.git(&["rm", "-q", "-r", "--cached", "shop/manifests"]);
    repository.git(&["commit", "-q", "-m", "two"]);
    repository.diff(&["HEAD"]).code(3).stderr_has("there is no manifest in HEAD:manifests");
    repository.project.write("shop/manifests/A.yaml", "kind: Tenant\n");
    repository.commit();
    repository.project.write("shop/manifests/A.yaml", tenant_yaml("A", "w"));
    repository.diff(&["HEAD"]).code(3).stderr_has("HEAD:manifests/A.yaml:1:1");
}
