//! A server's life: created, shared, stopped, killed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::{HowAttached, State, endpoint_if_running, ensure_running, status, stop};
use super::support::{
    Fixture, block_on, command_line, is_root, is_zombie, kill, psql, this_program, wait_until,
};

#[test]
fn is_created_then_shared_then_stopped_then_started() {
    let fixture = Fixture::new();
    assert_eq!(block_on(status(&fixture.config)).state, State::NotInitialised);
    assert_eq!(block_on(endpoint_if_running(&fixture.config)), None);

    let (endpoint, how) = fixture.up();
    assert_eq!(how, HowAttached::Initialised);
    assert_eq!(fixture.up(), (endpoint.clone(), HowAttached::AlreadyRunning));
    assert_eq!(block_on(endpoint_if_running(&fixture.config)), Some(endpoint.clone()));
    let found = block_on(status(&fixture.config));
    assert!(matches!(found.state, State::Running { pid: Some(_), version: Some(_), since: Some(_), .. }));
    assert!(found.data_bytes > 1 << 20 && found.log_bytes > 0, "{found:?}");
    let names = [".gitignore", "bindir", "data", "lock", "run", "server.lock", "server.log"];
    assert_eq!(fixture.names(), names);

    assert!(block_on(stop(&fixture.config)).unwrap());
    assert!(!block_on(stop(&fixture.config)).unwrap(), "the second stop finds nothing to do");
    assert_eq!(block_on(status(&fixture.config)).state, State::Stopped);
    assert_eq!(block_on(endpoint_if_running(&fixture.config)), None);
    assert_eq!(fixture.up(), (endpoint, HowAttached::Started));
}

#[test]
fn keeps_what_was_committed_when_the_postmaster_is_killed() {
    let fixture = Fixture::new();
    let (endpoint, _) = fixture.up();
    assert_ne!(psql(&endpoint, "show fsync").as_deref(), Some("off"));
    assert_ne!(psql(&endpoint, "show synchronous_commit").as_deref(), Some("off"));
    psql(&endpoint, "create table kept (n int); insert into kept select generate_series(1, 1000)");
    for _ in 0..3 {
        kill(fixture.postmaster());
        assert_eq!(fixture.up().1, HowAttached::Started);
        assert!(psql(&endpoint, "select count(*) from kept").is_none_or(|count| count == "1000"));
    }
}

#[test]
fn eight_commands_at_once_make_one_server() {
    let fixture = Fixture::new();
    let start = || command_line(&this_program(), fixture.root()).spawn().unwrap();
    let check = |expected: &str| {
        let commands: Vec<_> = (0..8).map(|_| start()).collect();
        let outputs = commands.into_iter().map(|command| command.wait_with_output().unwrap());
        let said: Vec<String> =
            outputs.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).collect();
        let count = |word: &str| said.iter().filter(|text| text.contains(word)).count();
        assert_eq!((count(expected), count("<AlreadyRunning>")), (1, 7), "{said:#?}");
    };
    check("<Initialised>");
    block_on(stop(&fixture.config)).unwrap();
    check("<Started>");
    kill(fixture.postmaster());
    check("<Started>");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_tasks_at_once_make_one_server() {
    let fixture = Fixture::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let config = fixture.config.clone();
        tasks.spawn(async move { ensure_running(&config).await.unwrap().1 });
    }
    let how = tasks.join_all().await;
    assert_eq!(how.iter().filter(|how| **how == HowAttached::Initialised).count(), 1);
    std::thread::spawn(move || drop(fixture)).join().unwrap();
}

#[test]
fn a_command_killed_while_creating_leaves_nothing_half_made() {
    let fixture = Fixture::new();
    // What initdb has made by then, of what it makes one after the other.
    for made in ["", "PG_VERSION", "global/pg_control"] {
        let mut command = command_line(&this_program(), fixture.root()).spawn().unwrap();
        let place = fixture.root().join(format!("data.new-{}-1", command.id()));
        wait_until("initdb makes it", || place.join(made).exists());
        command.kill().unwrap();
        command.wait().unwrap();
        assert!(!fixture.data().exists());
    }
    let (endpoint, how) = fixture.up();
    assert_eq!(how, HowAttached::Initialised);
    assert!(fixture.names().iter().all(|name| !name.starts_with("data.new-")), "{:?}", fixture.names());
    assert!(psql(&endpoint, "select 1").is_none_or(|one| one == "1"));
}

#[test]
fn a_command_abandoned_while_creating_is_no_obstacle() {
    let fixture = Fixture::new();
    let soon = Duration::from_millis(300);
    block_on(async { tokio::time::timeout(soon, ensure_running(&fixture.config)).await }).unwrap_err();
    assert_eq!(fixture.up().1, HowAttached::Initialised);
}

#[test]
fn a_pipe_from_the_command_that_started_it_closes() {
    let fixture = Fixture::new();
    let program = this_program();
    let command = command_line(&program, fixture.root());
    let mut shell = Command::new("/bin/bash");
    // 3 and 9 as scripts use them for locks, 63 as bash does.
    shell.args(["-c", r#""$0" "$@" 2>&1 3>&1 9>&1 63>&1 | cat"#]).arg(&program).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let begun = Instant::now();
    let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the pipe closes", || child.try_wait().unwrap().is_some());
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(block_on(endpoint_if_running(&fixture.config)).is_some(), "the server outlives the command");
}

#[test]
fn a_path_too_long_for_a_socket_gets_one_elsewhere() {
    let fixture = Fixture::named(&format!("{}/{}", "long".repeat(20), "longer".repeat(20)));
    let (endpoint, _) = fixture.up();
    assert!(endpoint.socket_dir.starts_with("/tmp"), "{endpoint:?}");
    assert_eq!(fixture.up(), (endpoint.clone(), HowAttached::AlreadyRunning));
    let mode = std::fs::metadata(&endpoint.socket_dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    block_on(stop(&fixture.config)).unwrap();
    std::fs::remove_dir_all(&endpoint.socket_dir).unwrap();
}

#[test]
fn a_path_may_hold_any_character() {
    for name in ["a b\"c'd%e=f&g\\h$i*ümlaut", "comma,comma"] {
        let fixture = Fixture::named(name);
        let (endpoint, _) = fixture.up();
        assert!(psql(&endpoint, "select current_database()").is_none_or(|name| name == "synthex"));
        if endpoint.socket_dir.starts_with(fixture.root()) {
            continue;
        }
        block_on(stop(&fixture.config)).unwrap();
        std::fs::remove_dir_all(&endpoint.socket_dir).unwrap();
    }
}

#[test]
fn a_project_moved_while_its_server_runs_keeps_it() {
    let mut fixture = Fixture::new();
    fixture.up();
    let moved = fixture.folder.path().join("moved");
    std::fs::rename(fixture.root(), &moved).unwrap();
    fixture.config.root.clone_from(&moved);
    let (endpoint, how) = fixture.up();
    assert_eq!((endpoint.socket_dir, how), (moved.join("run"), HowAttached::AlreadyRunning));
}

#[test]
fn a_server_whose_socket_was_deleted_is_replaced() {
    let fixture = Fixture::new();
    fixture.up();
    let before = fixture.postmaster();
    std::fs::remove_dir_all(fixture.root().join("run")).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Started);
    assert_ne!(fixture.postmaster(), before);
}

#[test]
fn a_folder_deleted_under_a_running_server_is_made_anew() {
    let fixture = Fixture::new();
    fixture.up();
    let before = fixture.postmaster();
    std::fs::remove_dir_all(fixture.root()).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Initialised);
    // Its predecessor would take the socket with it.
    let alive = rustix::process::test_kill_process(rustix::process::Pid::from_raw(before).unwrap());
    assert!(alive.is_err() || is_zombie(before));
}

#[test]
fn a_moved_project_keeps_its_server_when_another_takes_its_place() {
    let mut fixture = Fixture::new();
    fixture.up();
    let before = fixture.postmaster();
    let moved = fixture.folder.path().join("moved");
    std::fs::rename(fixture.root(), &moved).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Initialised);
    block_on(stop(&fixture.config)).unwrap();
    fixture.config.root = moved;
    assert_eq!((fixture.up().1, fixture.postmaster()), (HowAttached::AlreadyRunning, before));
}

#[test]
fn data_deleted_under_a_running_server_is_made_anew() {
    let fixture = Fixture::new();
    fixture.up();
    let before = fixture.postmaster();
    std::fs::remove_dir_all(fixture.data()).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Initialised);
    assert_ne!(fixture.postmaster(), before);
}

/// By convention on every system that has such a user.
const NOBODY: u32 = 65_534;

#[test]
fn root_can_prepare_what_a_normal_user_does() {
    if !is_root() {
        return; // Then every other test is this one.
    }
    let fixture = Fixture::new();
    let program = fixture.folder.path().join("program");
    std::fs::copy(this_program(), &program).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(fixture.root()).unwrap();
    std::os::unix::fs::chown(fixture.root(), Some(NOBODY), Some(NOBODY)).unwrap();
    for expected in ["<Initialised>", "<AlreadyRunning>"] {
        let output = command_line(&program, fixture.root()).uid(NOBODY).gid(NOBODY).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(fixture.up().1, HowAttached::AlreadyRunning, "root shares a user's server");
    block_on(stop(&fixture.config)).unwrap();
    assert_eq!(fixture.up().1, HowAttached::Started, "and starts it as that user");
}
