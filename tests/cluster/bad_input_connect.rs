//! Ways in that don't work: addresses, users, passwords, privileges.

use std::os::unix::fs::PermissionsExt as _;

use crate::child::{Ran, Snapshot, finish, on, prepare, program, run};
use crate::support::{TestCluster, shared};

const CHANGE: [&str; 2] = ["--alter", "ADD d INT"];

async fn made() -> TestCluster {
    let test = shared().await;
    prepare(&test, &["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]).await;
    test
}

fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[tokio::test]
async fn wrong_ways_in_are_named() {
    let test = made().await;
    let before = Snapshot::of(&test, &[0, 1, 2]).await;
    let (table, port) = (test.table("t").quoted(), test.nodes()[0].port.to_string());
    let free = free_port();
    //  flags                                                      exit  says
    let cases: [(&[&str], i32, &[&str]); 12] = [
        (&["-h127.0.0.1", "-P", &free, "-uroot"], 3, &["no connection", &free, "Connection refused", "check host"]),
        (&["-hno.such.host.invalid", "-P", &port, "-uroot"], 3, &["no.such.host.invalid", "failed to lookup"]),
        (&["-h127.0.0.1", "-P", &port, "-unobody"], 3, &["refused access", "'nobody'", "(1045)", "check user"]),
        (&["-S/nowhere/s.sock", "-uroot"], 3, &["/nowhere/s.sock", "No such file"]),
        (&["-h127.0.0.1", "-Pabc", "-uroot"], 2, &["--port: `abc` is not a port"]),
        (&["-h127.0.0.1", "-P0", "-uroot"], 2, &["--port: `0` is not a port"]),
        (&["-h127.0.0.1:3306", "-uroot"], 2, &["--host", "--port"]),
        (&["-h127.0.0.1", "-P", &port, "-uroot", "--ssl-mode=REQUIRED"], 3, &["does not offer encryption"]),
        (&["-h127.0.0.1", "-P", &port, "-uroot", "--ssl-mode=SOMETIMES"], 2, &["SOMETIMES", "PREFERRED"]),
        (&["-h127.0.0.1", "-P", &port, "-uroot", "--node", "x:y"], 2, &["--node: `y` is not a port"]),
        (&["-h127.0.0.1", "-P", &port, "-uroot", "--address-map", "x"], 2, &["--address-map: `x` is not of the form"]),
        (
            &["-h127.0.0.1", "-P", &port, "-uroot", "--password-file", "/nowhere/p"],
            2,
            &["--password-file", "/nowhere/p"],
        ),
    ];
    for (flags, code, says) in cases {
        for command in ["plan", "run"] {
            let mut args = vec![command, "--no-defaults", "--table", &table];
            args.extend(CHANGE);
            args.extend(flags);
            args.extend(if command == "run" { &["--yes"][..] } else { &[] });
            run(&args).await.must(code, says, &format!("{flags:?}"));
        }
    }
    assert_eq!(Snapshot::of(&test, &[0, 1, 2]).await, before);
}

/// Runs as a user whose password comes from the environment.
async fn as_user(test: &TestCluster, command: &str, user: &str, password: &str, more: &[&str]) -> Ran {
    let mut program = program();
    let (port, table) = (test.nodes()[0].port.to_string(), test.table("t").quoted());
    program.args([command, "--no-defaults", "-h127.0.0.1", "-P", &port, "-u", user, "--table", &table]).args(CHANGE);
    program.args(more).env("MYSQL_PWD", password).env("RUST_LOG", "trace");
    finish(program).await
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_repeated() {
    let test = made().await;
    let before = Snapshot::of(&test, &[0, 1, 2]).await;
    let ran = as_user(&test, "run", "root", "hunter2-secret", &["--yes"]).await;
    ran.must(3, &["Access denied for user 'root'", "(using password: YES)", "check user, password"], "wrong password");
    assert!(!ran.said().contains("hunter2"), "{}", ran.said());
    for given in [&["--password=hunter2-secret"][..], &["-phunter2-secret"], &["--password", "hunter2-secret"]] {
        let ran = on(&test, "plan", &[&["--table", "a.b", "--alter", "FORCE"], given].concat()).await;
        ran.must(
            2,
            &["a password on the command line is visible", "MYSQL_PWD", "--password-file"],
            &format!("{given:?}"),
        );
        assert!(!ran.said().contains("hunter2"), "{}", ran.said());
    }
    assert_eq!(Snapshot::of(&test, &[0, 1, 2]).await, before);
}

#[tokio::test]
async fn a_password_shows_up_nowhere() {
    let test = made().await;
    let secret = "zq-Secret-71";
    prepare(
        &test,
        &[&format!("CREATE USER 'deploy'@'%' IDENTIFIED BY '{secret}'"), "GRANT ALL PRIVILEGES ON *.* TO 'deploy'@'%'"],
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let (file, hold, plan) = (dir.path().join("password"), dir.path().join("hold"), dir.path().join("plan.json"));
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&hold, "").unwrap();
    let saved = as_user(&test, "plan", "deploy", secret, &["--out", plan.to_str().unwrap()]).await;
    assert_eq!(saved.code, 0, "{}", saved.said());
    let (port, table) = (test.nodes()[0].port.to_string(), test.table("t").quoted());
    let mut command = program();
    command.args(["run", "--no-defaults", "--yes", "--format", "json", "-h127.0.0.1", "-P", &port, "-udeploy"]);
    command.args(["--password-file", file.to_str().unwrap(), "--table", &table]).args(CHANGE);
    command.args(["--postpone-cutover-file", hold.to_str().unwrap()]).env("RUST_LOG", "trace");
    let child = command.spawn().unwrap();
    let pid = child.id().unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let cmdline = String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap()).into_owned();
    let listed = test.plain(0).run(&["SHOW FULL PROCESSLIST"]).await.concat().join(" ");
    std::fs::remove_file(&hold).unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out} {err}");
    let journal = test.plain(0).run(&["SELECT * FROM driftless.job"]).await.concat().join(" ");
    let saved_plan = std::fs::read_to_string(&plan).unwrap();
    assert!(cmdline.contains("run") && listed.contains("deploy") && journal.contains("trigger-copy"));
    for (place, seen) in [
        ("plan's output", saved.said()),
        ("saved plan", saved_plan),
        ("arguments", cmdline),
        ("process list", listed),
        ("events", out),
        ("log", err),
        ("journal", journal),
    ] {
        assert!(!seen.contains(secret), "the password stands in the {place}: {seen}");
    }
    prepare(&test, &["DROP USER 'deploy'@'%'"]).await;
}

/// What driftless asks for, minus one right at a time.
#[tokio::test]
async fn each_missing_privilege_is_named() {
    const ON_TABLES: [&str; 10] = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "ALTER",
        "DROP",
        "INDEX",
        "TRIGGER",
        "CREATE TEMPORARY TABLES",
    ];
    const GLOBAL: [&str; 3] = ["PROCESS", "SLAVE MONITOR", "SUPER"];
    let test = made().await;
    let schema = test.schema.quoted();
    let before = Snapshot::of(&test, &[0, 1, 2]).await;
    let rights: Vec<(String, &str)> = ON_TABLES
        .iter()
        .map(|right| (format!("{schema}.*"), *right))
        .chain(ON_TABLES.iter().map(|right| ("`driftless`.*".to_owned(), *right)))
        .chain(GLOBAL.iter().map(|right| ("*.*".to_owned(), *right)))
        .collect();
    // Every right on the table's schema; a few of the others, which are judged by the same code. SUPER stands in for
    // SLAVE MONITOR (21).
    let dropped: Vec<usize> = (0..10).chain([10, 14, 19, 20, 22]).collect();
    for (index, without) in dropped.into_iter().enumerate() {
        let user = format!("partial{index}");
        let mut sql = vec![format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'p'")];
        let others = rights.iter().enumerate().filter(|(number, _)| *number != without);
        sql.extend(others.map(|(_, (place, right))| format!("GRANT {right} ON {place} TO '{user}'@'%'")));
        prepare(&test, &sql.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (place, right) = &rights[without];
        let ran = as_user(&test, "run", &user, "p", &["--yes"]).await;
        // Without SELECT the table can't even be seen.
        if *right == "SELECT" && *place != "`driftless`.*" {
            assert!(ran.code == 3, "{right} ON {place}: {}", ran.said());
        } else {
            let asked = format!("{right} ON {place}");
            ran.must(3, &["privilege-missing", &asked, &format!("GRANT {asked} TO")], &asked);
        }
        prepare(&test, &[&format!("DROP USER '{user}'@'%'")]).await;
    }
    assert_eq!(Snapshot::of(&test, &[0, 1, 2]).await, before);
}

#[tokio::test]
async fn a_user_with_just_the_named_privileges_is_enough() {
    let test = made().await;
    let schema = test.schema.quoted();
    let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, TRIGGER, CREATE TEMPORARY TABLES";
    prepare(
        &test,
        &[
            "CREATE USER 'just'@'%' IDENTIFIED BY 'p'",
            &format!("GRANT {rights} ON {schema}.* TO 'just'@'%'"),
            &format!("GRANT {rights} ON `driftless`.* TO 'just'@'%'"),
            "GRANT PROCESS, SLAVE MONITOR, SUPER ON *.* TO 'just'@'%'",
        ],
    )
    .await;
    as_user(&test, "run", "just", "p", &["--yes"]).await.must(0, &["proven equal"], "all that was asked for");
    prepare(&test, &["DROP USER 'just'@'%'"]).await;
}

/// Flags that name or hide nodes.
#[tokio::test]
async fn a_node_left_out_is_missed() {
    let test = made().await;
    let before = Snapshot::of(&test, &[0, 1, 2]).await;
    let table = test.table("t").quoted();
    let (second, third) = (test.nodes()[1].port, test.nodes()[2].port);
    let free = free_port();
    let single = driftless::demo::Cluster::start(driftless::demo::Spec::single()).await.unwrap();
    let stranger = format!("127.0.0.1:{}", single.nodes()[0].port);
    let (named, swapped) = (format!("127.0.0.1:{free}"), format!("127.0.0.1:{second}=127.0.0.1:{third}"));
    let lost = format!("127.0.0.1:{second}=127.0.0.1:{free}");
    //  flag              value      says
    let cases: [(&str, &str, &[&str]); 4] = [
        ("--node", &named, &["node-unreached", &format!("--node {named}"), "Connection refused", "correct the way"]),
        ("--node", &stranger, &["node-unreached", &stranger, "not a Galera node"]),
        ("--address-map", &swapped, &["node-unreached", "a proxy, or a wrong address map"]),
        ("--address-map", &lost, &["node-unreached", &format!("reached as {named}"), "Connection refused"]),
    ];
    for (flag, value, says) in cases {
        let args = ["--yes", "--table", &table, "--alter", "ADD d INT", flag, value];
        on(&test, "run", &args).await.must(3, says, &format!("{flag} {value}"));
    }
    assert_eq!(Snapshot::of(&test, &[0, 1, 2]).await, before);
    // Naming all nodes rightly is no mistake.
    let all = [format!("127.0.0.1:{second}"), format!("127.0.0.1:{third}")];
    let args = ["--table", &table, "--alter", "ADD d INT", "--node", &all[0], "--node", &all[1]];
    on(&test, "plan", &args).await.must(0, &["trigger-copy"], "all nodes named");
    single.stop().await;
}
