//! What `flowctl.yaml` says of a provider holds in a run.

use crate::{end, flow_in_folder, flowctl};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const FLOW: &str = "flow: t
nodes: { a: { each: { in: [1, 2, 3, 4], as: i }, prompt: { user: \"{{ i }}\", model: lab/m, retry: { times: 0 } } } }
outputs: { a: $a }
";

/// A server that takes a moment for each answer, and how many requests it had at once.
fn slow() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("http://{}/v1", listener.local_addr().expect("its address"));
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&most);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            thread::spawn(move || answer(connection, &now, &most));
        }
    });
    (place, seen)
}

fn answer(mut connection: TcpStream, now: &AtomicU64, most: &AtomicU64) -> std::io::Result<()> {
    // A request this small comes at once.
    connection.read(&mut [0; 16 << 10])?;
    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(300));
    now.fetch_sub(1, Ordering::SeqCst);
    let body = json!({ "choices": [{ "message": { "content": "ok" }, "finish_reason": "stop" }] }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all((head + &body).as_bytes())
}

#[test]
fn limits_and_timeouts_of_the_configuration_hold() {
    let run = |more: &str, limits: &str| {
        let (place, most) = slow();
        let (folder, path) = flow_in_folder(FLOW);
        let config =
            format!("providers: {{ lab: {{ base_url: \"{place}\"{more} }} }}\nlimits: {{ lab: {{ {limits} }} }}\n");
        fs::write(folder.path().join("flowctl.yaml"), config).expect("written");
        let mut command = flowctl();
        command.current_dir(folder.path()).arg("run").arg(path).args(["--jobs", "4", "--format", "json"]);
        (end(&mut command), most.load(Ordering::SeqCst))
    };
    let (ended, most) = run("", "");
    assert_eq!(ended.with(0).json()["spend"]["calls"], 4);
    assert!(most > 1, "nothing was asked at once");
    let (ended, most) = run("", "in_flight: 1");
    assert_eq!((ended.with(0).json()["spend"]["calls"].as_u64(), most), (Some(4), 1), "one after the other");
    let (ended, _) = run(", timeouts: { first_byte: 50ms }", "");
    assert_eq!(ended.with(3).json()["error"]["name"], "timeout");
}
