//! The calls that a page about deleting a role shows, run by the programs that people paste them into: curl, Python with
//! `requests`, JavaScript with `fetch`. Only the address, the ids and the token are filled in.

use std::process::{Command, Output};

use crate::organizations::{Person, refused};
use crate::support::server::TestServer;

const CURL: &str =
    r#"curl -sS -o /dev/null -w '%{http_code}\n' -X DELETE "$URL" -H "Authorization: Bearer $ACCESS_TOKEN""#;

const PYTHON: &str = r#"
import os
import requests

response = requests.delete(
    os.environ["URL"],
    headers={"Authorization": "Bearer " + os.environ["ACCESS_TOKEN"]},
)
print(response.status_code)
"#;

const JAVASCRIPT: &str = r#"
(async () => {
  const response = await fetch(process.env.URL, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` },
  });
  console.log(response.status);
})();
"#;

/// Each with what it takes to run it.
const SAMPLES: [(&str, [&str; 2], &str); 3] = [
    ("sh", ["-c", CURL], "curl"),
    ("python3", ["-c", PYTHON], "Python 3 with the library `requests`"),
    ("node", ["-e", JAVASCRIPT], "Node 18 or later"),
];

async fn run(program: &'static str, arguments: [&'static str; 2], url: &str, token: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env("URL", url).env("ACCESS_TOKEN", token);
    // A proxy of the machine's must not come between the two.
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    tokio::task::spawn_blocking(move || command.output().ok()).await.unwrap()
}

async fn the_calls_of_the_page_work_as_they_are(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    for (program, sample, needed) in SAMPLES {
        let path = format!("{place}/roles/{}", ann.role(&place, program, &["invite_users"]).await);
        let url = format!("{}/v1/{path}", server.base());
        let output = run(program, sample, &url, &ann.token).await;
        let output = output.unwrap_or_else(|| panic!("there is no {program}: this test needs {needed}"));
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.trim(), "204", "{program}: {complaint}\nThis test needs {needed}.");
        refused(&ann.get(&path).await, 404, "ROLE_NOT_FOUND");
    }
}

on_every_store!(the_calls_of_the_page_work_as_they_are);
