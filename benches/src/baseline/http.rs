//! The same web server without an application: one handler that answers every request with the same bytes. It runs as
//! a process of its own, as many threads as Rolekeeper has, and learns its bytes from standard input.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context as _, Result};

use crate::process::Process;

struct Answer {
    body: Bytes,
    content_type: String,
}

/// Serves until it is ended; says the port first.
pub fn serve(workers: usize, content_type: &str) -> Result<ExitCode> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let answer = web::Data::new(Answer { body: body.into(), content_type: content_type.to_owned() });
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().app_data(answer.clone()).default_service(web::to(respond)))
            .workers(workers)
            .bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = server.addrs().first().context("no address")?.port();
        println!("{port}");
        std::io::stdout().flush()?;
        server.run().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn respond(answer: web::Data<Answer>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, answer.content_type.as_str())).body(answer.body.clone())
}

/// A running one.
pub struct BareServer {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
}

impl BareServer {
    /// Starts one that answers with those bytes.
    pub fn start(body: &[u8], content_type: &str) -> Result<Self> {
        let workers = std::thread::available_parallelism()?.to_string();
        let mut process = Process::start(
            Command::new(std::env::current_exe()?)
                .args(["bare-server", "--workers", &workers, "--type-of-content", content_type])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )?;
        process.child().stdin.take().context("no input")?.write_all(body)?;
        let mut line = String::new();
        BufReader::new(process.child().stdout.take().context("no output")?).read_line(&mut line)?;
        let port: u16 = line.trim().parse().context("the bare server does not start")?;
        Ok(Self { address: (Ipv4Addr::LOCALHOST, port).into(), _process: process })
    }
}
