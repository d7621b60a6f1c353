//! Keys are in nothing that is printed or written.

use crate::{end, flow_in_folder, flowctl, nowhere};
use std::fs;
use std::path::Path;

const KEY: &str = "sk-planted-3f9ac1e07b";

const FLOW: &str = "flow: t
models: { m: { use: [openai/any] } }
nodes: { a: { prompt: { user: hello, model: m, retry: { times: 1, backoff: 1ms..1ms } } } }
outputs: { a: $a }
";

/// Fails when the key is in a file of a store of runs, or in what is shown and exported of the youngest of them.
fn is_in_no_run(runs: &Path) {
    let mut files = 0;
    for file in ["flow.db", "flow.db-wal"] {
        // The log is gone when the last process closed the store in order.
        let Ok(bytes) = fs::read(runs.join(file)) else { continue };
        files += 1;
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "the key is in {file}");
    }
    assert!(files > 0, "the run was kept");
    let listed = end(flowctl().env("FLOWCTL_RUNS", runs).args(["runs", "--format", "json"])).with(0);
    let listed = listed.json();
    let id = listed["runs"][0]["id"].as_str().or(listed[0]["id"].as_str()).expect("the run has an id").to_owned();
    for command in [vec!["export", &id], vec!["show", &id, "--format", "json"], vec!["why", &id, "a"]] {
        let ended = end(flowctl().env("FLOWCTL_RUNS", runs).args(&command));
        assert!(
            ended.stdout.contains("network") || ended.stdout.contains("rejected") || command[0] == "why",
            "{}",
            ended.stdout
        );
        assert!(!(ended.stdout + &ended.stderr).contains(KEY), "the key is in what {command:?} says");
    }
}

#[test]
fn a_key_is_in_no_output_error_or_recording() {
    let (folder, flow) = flow_in_folder(FLOW);
    let recording = folder.path().join("answers.json");
    for format in ["human", "json"] {
        let mut command = flowctl();
        command.arg("run").arg(&flow).args(["--format", format, "--record"]).arg(&recording);
        command.env("FLOWCTL_RUNS", folder.path().join("runs"));
        let ended = end(command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", nowhere())).with(3);
        assert!((ended.stdout.clone() + &ended.stderr).contains("network"), "{}{}", ended.stdout, ended.stderr);
        let written = fs::read_to_string(&recording).expect("a failed run is recorded too");
        for (place, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr), ("the recording", &written)] {
            assert!(!text.contains(KEY), "the key is in {place}:\n{text}");
        }
    }
    is_in_no_run(&folder.path().join("runs"));
}

#[test]
fn a_key_is_sent_and_still_in_nothing_when_it_is_refused() {
    use std::io::{Read, Write};
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("http://{}/v1", server.local_addr().expect("its address"));
    // A server that says back what it was told, the key included, as some do.
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a call");
        let mut bytes = [0; 16 << 10];
        let n = stream.read(&mut bytes).expect("a request");
        let body = format!(r#"{{"error":{{"message":"incorrect key {KEY}"}}}}"#);
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).expect("answered");
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    });
    let (folder, flow) = flow_in_folder(FLOW);
    let mut command = flowctl();
    command.arg("run").arg(&flow).args(["--format", "json"]).env("FLOWCTL_RUNS", folder.path().join("runs"));
    let ended = end(command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", place)).with(3);
    assert!(heard.join().expect("the server ends").contains(KEY), "the key was not sent, so nothing was tested");
    assert_eq!(ended.json()["error"]["name"], "rejected");
    assert!(!(ended.stdout + &ended.stderr).contains(KEY));
    is_in_no_run(&folder.path().join("runs"));
}
