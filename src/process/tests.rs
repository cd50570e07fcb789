#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::*;

/// Nobody survived.
const NONE: [u32; 0] = [];

#[test]
fn exits_read_well() {
    assert_eq!(Exit::Code(3).to_string(), "exit code 3");
    assert_eq!(Exit::Signal(9).to_string(), if cfg!(unix) { "signal 9 (SIGKILL)" } else { "signal 9" });
}

#[tokio::test]
async fn a_missing_program_and_a_missing_folder_are_told_apart() {
    let missing = Command::new("no-such-program-here").spawn().err().unwrap();
    assert!(matches!(missing, ProcessError::NotFound { .. }), "{missing}");
    let nowhere = Command::shell("true").directory("/no/such/folder").spawn().err().unwrap();
    assert!(matches!(nowhere, ProcessError::NoDirectory { .. }), "{nowhere}");
}

#[cfg(unix)]
mod unix {
    use super::*;

    /// Output and exit of a script that is given all the time it takes.
    async fn run(command: Command) -> (String, Exit) {
        let mut child = command.spawn().unwrap();
        let mut printed = Vec::new();
        while let Some(chunk) = child.next_output().await {
            assert_eq!(chunk.offset, printed.len() as u64);
            printed.extend_from_slice(&chunk.bytes);
        }
        let exit = child.wait().await;
        assert_eq!(child.end().await, NONE);
        (String::from_utf8(printed).unwrap(), exit)
    }

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(20), "waited too long until {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn pids(file: &Path) -> Vec<i32> {
        fs::read_to_string(file).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Zombies are not alive: whoever adopted them reaps them in its own time.
    fn is_alive(pid: i32) -> bool {
        table::read_one(pid).is_some_and(|entry| !entry.zombie)
    }

    #[tokio::test]
    async fn both_streams_come_merged_in_order() {
        let (printed, exit) = run(Command::shell("echo one; echo two >&2; echo three; exit 7")).await;
        assert_eq!(printed, "one\ntwo\nthree\n");
        assert_eq!(exit, Exit::Code(7));
    }

    #[tokio::test]
    async fn stdin_is_closed() {
        assert_eq!(run(Command::new("cat")).await, (String::new(), Exit::Code(0)));
    }

    #[tokio::test]
    async fn a_signal_is_told() {
        assert_eq!(run(Command::shell("kill -KILL $$")).await.1, Exit::Signal(9));
    }

    #[tokio::test]
    async fn it_runs_in_its_folder_and_session() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (printed, _) = run(Command::shell("pwd -P; ps -o pgid= -p $$; echo $$").directory(&folder)).await;
        let lines: Vec<&str> = printed.lines().map(str::trim).collect();
        assert_eq!(lines[0], folder.to_str().unwrap());
        assert_eq!(lines[1], lines[2]);
    }

    #[tokio::test]
    async fn secrets_stay_here_unless_asked_for() {
        // A second process, because this one's environment must not change under other tests.
        let outer = std::env::current_exe().unwrap();
        let (printed, exit) = run(Command::new(outer)
            .args(["--exact", "process::tests::unix::inner_secrets", "--ignored", "--nocapture"])
            .variable("TEST_API_KEY", "hidden")
            .variable("GH_TOKEN", "hidden")
            .variable("PILLION_KEY_FILE", "hidden")
            .variable("NAMED", "hidden")
            .variable("PLAIN", "shown"))
        .await;
        assert_eq!(exit, Exit::Code(0), "{printed}");
    }

    #[tokio::test]
    #[ignore = "run by `secrets_stay_here_unless_asked_for` with an environment of its own"]
    async fn inner_secrets() {
        let script = "echo \"$TEST_API_KEY/$GH_TOKEN/$PILLION_KEY_FILE/$NAMED/$PLAIN/${PILLION_CALL:+marked}\"";
        let scrubbed = run(Command::shell(script).without(["NAMED".to_owned()])).await.0;
        assert_eq!(scrubbed, "////shown/marked\n");
        let explicit = run(Command::shell(script).variable("GH_TOKEN", "given")).await.0;
        assert_eq!(explicit, "/given//hidden/shown/marked\n");
        let whole = run(Command::shell(script).with_secrets()).await.0;
        assert_eq!(whole, "hidden/hidden/hidden/hidden/shown/marked\n");
    }

    #[tokio::test]
    async fn a_background_process_does_not_hold_the_output_up() {
        let started = Instant::now();
        let (printed, exit) = run(Command::shell("sleep 60 & echo done")).await;
        assert_eq!((printed.as_str(), exit), ("done\n", Exit::Code(0)));
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_background_process_that_prints_for_ever_does_not_either() {
        let mut child = Command::shell("yes & echo done").spawn().unwrap();
        while child.next_output().await.is_some() {}
        assert_eq!(child.wait().await, Exit::Code(0));
        assert_eq!(child.end().await, NONE);
    }

    #[tokio::test]
    async fn output_closed_early_does_not_end_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::shell("exec >&- 2>&-; while [ ! -e go ]; do sleep 0.01; done; exit 4")
            .directory(folder.path())
            .spawn()
            .unwrap();
        assert_eq!(child.next_output().await, None);
        fs::write(folder.path().join("go"), "").unwrap();
        assert_eq!(child.wait().await, Exit::Code(4));
        child.end().await;
    }

    /// Descendants of every kind, each of which writes its number down: a child, one in a session of its own, one that
    /// forked twice, and (with `unmarked`) one that also cleared its environment and closed its output.
    fn family(file: &str, unmarked: bool) -> String {
        let sleeper = |file: &str| format!("sh -c 'echo $$ >>{file}; exec sleep 600'");
        let plain = sleeper(file);
        let mut script = format!("{plain} & setsid {plain} & setsid sh -c \"setsid {plain} &\" & ");
        if unmarked {
            script +=
                &format!("env -i PATH=\"$PATH\" setsid sh -c \"setsid {plain} & \" </dev/null >/dev/null 2>&1 & ");
        }
        script + "wait; sleep 600"
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_end_reaches_every_descendant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let mut child = Command::shell(family("pids", false)).directory(folder.path()).spawn().unwrap();
        until("all run", || pids(&file).len() == 3).await;
        let members = pids(&file);
        assert!(members.iter().all(|pid| is_alive(*pid)));
        assert_eq!(child.end().await, NONE);
        assert!(members.iter().all(|pid| !is_alive(*pid)));
        assert_eq!(child.wait().await, Exit::Signal(15));
    }

    /// In a process of its own, since it claims all orphans and the other tests have some.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_end_reaches_whoever_hides() {
        let outer = std::env::current_exe().unwrap();
        let inner = Command::new(outer).args(["--exact", "process::tests::unix::inner_hiding", "--ignored"]);
        let (printed, exit) = run(inner).await;
        assert_eq!(exit, Exit::Code(0), "{printed}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    #[ignore = "run by `the_end_reaches_whoever_hides`"]
    async fn inner_hiding() {
        claim_orphans();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let mut child = Command::shell(family("pids", true)).directory(folder.path()).spawn().unwrap();
        until("all run", || pids(&file).len() == 4).await;
        let members = pids(&file);
        let started = Instant::now();
        assert_eq!(child.end().await, NONE);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert!(members.iter().all(|pid| !is_alive(*pid)));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn one_end_leaves_the_other_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (first_file, second_file) = (folder.path().join("first"), folder.path().join("second"));
        let mut first = Command::shell(family("first", false)).directory(folder.path()).spawn().unwrap();
        let mut second = Command::shell(family("second", false)).directory(folder.path()).spawn().unwrap();
        until("both run", || pids(&first_file).len() == 3 && pids(&second_file).len() == 3).await;
        assert_eq!(first.end().await, NONE);
        assert!(pids(&first_file).iter().all(|pid| !is_alive(*pid)));
        assert!(pids(&second_file).iter().all(|pid| is_alive(*pid)));
        assert_eq!(second.end().await, NONE);
        assert!(pids(&second_file).iter().all(|pid| !is_alive(*pid)));
    }

    #[tokio::test]
    async fn whoever_ignores_the_polite_signal_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let script = "trap '' TERM; echo $$ >pids; while :; do sleep 0.01; done";
        let mut child = Command::shell(script).directory(folder.path()).spawn().unwrap();
        until("it runs", || pids(&file).len() == 1).await;
        assert_eq!(child.end().await, NONE);
        assert_eq!(child.wait().await, Exit::Signal(9));
    }

    #[tokio::test]
    async fn whoever_cleans_up_is_given_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo clean >done; exit 0' TERM; echo $$ >pids; while :; do sleep 0.01; done";
        let mut child = Command::shell(script).directory(folder.path()).spawn().unwrap();
        until("it runs", || !pids(&folder.path().join("pids")).is_empty()).await;
        assert_eq!(child.end().await, NONE);
        assert_eq!(fs::read_to_string(folder.path().join("done")).unwrap(), "clean\n");
    }

    #[tokio::test]
    async fn dropping_a_child_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let child = Command::shell("sh -c 'echo $$ >pids; exec sleep 600' & wait").directory(folder.path()).spawn();
        until("it runs", || pids(&file).len() == 1).await;
        drop(child);
        until("it is gone", || !is_alive(pids(&file)[0])).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn adopted_dead_are_reaped() {
        let folder = tempfile::tempdir().unwrap();
        let script = "for n in 1 2 3 4 5; do (setsid sh -c 'echo $$ >>pids' &); done; sleep 600";
        let mut child = Command::shell(script).directory(folder.path()).spawn().unwrap();
        until("all ran", || pids(&folder.path().join("pids")).len() == 5).await;
        child.end().await;
        let zombies = || {
            let orphans = pids(&folder.path().join("pids"));
            orphans.iter().filter_map(|pid| table::read_one(*pid)).count()
        };
        assert_eq!(zombies(), 0);
    }

    /// A sidecar that is killed cannot end anything; its watchdog does.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn no_child_outlives_a_killed_sidecar() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        // Not through `Command`, which would end the descendants itself.
        let mut sidecar = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::tests::unix::inner_sidecar", "--ignored"])
            .env("TEST_FOLDER", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("all run", || pids(&file).len() == 3).await;
        sidecar.kill().unwrap();
        sidecar.wait().unwrap();
        until("all are gone", || pids(&file).iter().all(|pid| !is_alive(*pid))).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    #[ignore = "run by `no_child_outlives_a_killed_sidecar`, which kills it"]
    async fn inner_sidecar() {
        let folder = std::env::var_os("TEST_FOLDER").unwrap();
        let mut child = Command::shell(family("pids", false)).directory(folder).spawn().unwrap();
        child.wait().await;
    }

    #[tokio::test]
    async fn capture_keeps_the_streams_apart_and_ends_at_its_limit() {
        let limit = Duration::from_secs(60);
        let captured = capture(Command::shell("echo key; echo why >&2; exit 2"), limit).await.unwrap();
        let expected = Captured { exit: Exit::Code(2), stdout: b"key\n".into(), stderr: b"why\n".into() };
        assert_eq!(captured, expected);
        let background = capture(Command::shell("sleep 600 & echo key"), limit).await.unwrap();
        assert_eq!(background.stdout, b"key\n");
        let late = capture(Command::shell("sleep 600"), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(late, ProcessError::TimedOut { .. }));
    }

    #[tokio::test]
    async fn a_dialog_is_spoken_to() {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let Dialog { mut child, mut stdin, stdout, stderr: _ } = Command::new("cat").dialog().unwrap();
        stdin.write_all(b"hello\n").await.unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await.unwrap();
        assert_eq!(line, "hello\n");
        drop(stdin);
        assert_eq!(child.wait().await, Exit::Code(0));
        child.end().await;
    }
}
