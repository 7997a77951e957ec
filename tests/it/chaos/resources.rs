//! S18: a full disk, a closed pipe, hardly any file descriptors: a message and a code, no panic, and no half a file.

use std::fs;

use super::rig::account;
use super::storage::Small;
use crate::support::estate::Estate;

#[test]
fn a_full_disk_leaves_no_half_a_file() {
    let estate = Estate::new("chaos_disk");
    let mut tried = 0;
    // Writing to it fails, whoever one is; it must also still be a device afterwards.
    let device = |path: &str| fs::metadata(path).is_ok_and(|there| !there.is_file());
    let outcome = estate.run(&["plan", "--out", "/dev/full"]);
    assert!(outcome.code == 1 && device("/dev/full"), "{outcome}");
    outcome.stderr_has("could not be written").stderr_has("space").nowhere("panicked");
    let outcome = estate.run(&["plan", "--out", "/dev/null"]);
    assert!(outcome.code == 0 && device("/dev/null"), "{outcome}");
    tried += 2;
    let folder = estate.project.path().join("small");
    match Small::mount(&folder, "16k") {
        None => eprintln!("NOT TRIED: a small file system cannot be mounted here"),
        Some(_small) => {
            for number in 0..200 {
                estate.declare_tenant(&format!("N{number}"), &[]);
            }
            // Of an older plan there need be no more than its beginning: it is not read.
            let older_plan = "{\"synthex_plan\":1,\"checksum\":\"what was there before\"}";
            for (command, file, old) in
                [("plan", "plan.json", older_plan), ("state", "snapshot.json", "what was there before")]
            {
                estate.run(&["apply", "--yes"]).ok();
                estate.database.sql("update synthex.tenants set region = 'NZ-NR1'");
                fs::write(folder.join(file), old).expect("it fits");
                let target = format!("small/{file}");
                let args: &[&str] = if command == "plan" {
                    &["plan", "--out", &target]
                } else {
                    &["state", "snapshot", "--out", &target]
                };
                let outcome = estate.run(args);
                assert!(outcome.code != 0, "{outcome}");
                assert_eq!(fs::read_to_string(folder.join(file)).expect("it"), old, "{outcome}");
                let files = fs::read_dir(&folder).expect("a folder").count();
                assert_eq!(files, 1, "nothing else is left: {outcome}");
                outcome.stderr_has("could not be written").nowhere("panicked");
                fs::remove_file(folder.join(file)).expect("it");
                tried += 1;
            }
        }
    }
    account("S18 full disks", &[("tried", &tried)]);
}

#[test]
fn closed_pipes_and_few_descriptors() {
    let estate = Estate::applied("chaos_few");
    let state = estate.state();
    estate.edit("T1.yaml", "status: active", "status: inactive");
    for command in
        ["plan", "validate", "render", "explain exit-codes", "tenant tenants list", "state snapshot"]
    {
        let line = format!("\"$0\" {command} \"$@\" | true; exit ${{PIPESTATUS[0]}}");
        let outcome = estate.synthex(&[]).under("bash", &["-c", &line]).run();
        assert!(matches!(outcome.code, 0 | 1), "{command}: {outcome}");
        outcome.nowhere("panicked");
    }
    let mut ran_out = 0;
    for limit in [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 32] {
        let line = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let outcome = estate.synthex(&["plan"]).under("bash", &["-c", &line]).run();
        // The loader itself ends with 127 where it can open nothing.
        assert!(matches!(outcome.code, 0 | 1 | 3 | 8 | 127), "{limit}: {outcome}");
        assert!(outcome.code == 0 || !outcome.stderr.is_empty(), "{limit}: {outcome}");
        ran_out += i32::from(outcome.code != 0);
        outcome.nowhere("panicked").nowhere("came to a stop");
    }
    assert!(ran_out > 0, "no limit was too low");
    let outcome = estate.synthex(&["plan"]).under("bash", &["-c", "ulimit -n 32; exec \"$0\" \"$@\""]).run();
    outcome.ok().stdout_has("1 to update");
    assert_eq!(estate.state(), state);
    account("S18 limits of descriptors", &[("too low", &ran_out)]);
}
