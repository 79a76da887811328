//! As much HTTP/1.1 as the bench needs to register and sign in: JSON requests one after the other on a kept connection, and
//! the upgrade to a WebSocket. Its own, for the same reason as `ws`: the client must cost less than the server.

use crate::ws;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_wire::http::Problem;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a request gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the server closed the connection instead of answering")]
    Closed,
    #[error("the answer is not HTTP as this client speaks it: {0}")]
    NotHttp(&'static str),
    #[error("the answer's body is not the JSON that was expected: {0}")]
    Json(#[from] serde_json::Error),
    /// The server said no, with its reason.
    #[error("the server refused {path}: {} ({}, error {}){}", problem.title, problem.detail, problem.code, hint(problem))]
    Refused { path: String, problem: Box<Problem> },
    #[error("the server answered {path} with status {status} and no problem document")]
    Status { path: String, status: u16 },
}

fn hint(problem: &Problem) -> &'static str {
    if problem.status == 429 {
        "; raise the server's rate limits for a benchmark, or let sotto-bench start a server of its own"
    } else {
        ""
    }
}

struct Head {
    status: u16,
    content_length: Option<usize>,
    len: usize,
}

/// One connection, kept between requests.
#[derive(Debug)]
pub struct HttpConn {
    stream: TcpStream,
    /// Read and not used yet.
    buffer: Vec<u8>,
    host: String,
}

impl HttpConn {
    pub fn new(stream: TcpStream, host: &str) -> Self {
        Self { stream, buffer: Vec::new(), host: host.to_owned() }
    }

    /// Sends JSON and reads JSON. `bearer` is an access token.
    pub async fn post<A: DeserializeOwned>(
        &mut self,
        path: &str,
        bearer: Option<&str>,
        body: &impl Serialize,
    ) -> Result<A, HttpError> {
        let body = serde_json::to_vec(body)?;
        let mut request = format!("POST {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        if let Some(token) = bearer {
            request.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        request.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len()));
        let mut request = request.into_bytes();
        request.extend_from_slice(&body);
        self.ask(&request, path).await
    }

    /// Reads JSON. `bearer` is an access token.
    pub async fn get<A: DeserializeOwned>(&mut self, path: &str, bearer: &str) -> Result<A, HttpError> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {bearer}\r\n\r\n", self.host);
        self.ask(request.as_bytes(), path).await
    }

    async fn ask<A: DeserializeOwned>(&mut self, request: &[u8], path: &str) -> Result<A, HttpError> {
        self.stream.write_all(request).await?;
        let (status, body) = self.answer().await?;
        if (200..300).contains(&status) {
            return Ok(serde_json::from_slice(&body)?);
        }
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => HttpError::Refused { path: path.to_owned(), problem: Box::new(problem) },
            Err(_) => HttpError::Status { path: path.to_owned(), status },
        })
    }

    /// The text of a plain GET, for metrics.
    pub async fn get_text(&mut self, path: &str) -> Result<String, HttpError> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host).as_bytes()).await?;
        match self.answer().await? {
            (200, body) => Ok(String::from_utf8_lossy(&body).into_owned()),
            (status, _) => Err(HttpError::Status { path: path.to_owned(), status }),
        }
    }

    /// Turns the connection into a WebSocket. The bytes are what came with the answer already.
    pub async fn upgrade(mut self, path: &str) -> Result<(TcpStream, Vec<u8>), HttpError> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {}\r\n\r\n",
            self.host,
            ws::new_key()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.head().await?;
        if head.status != 101 {
            let body = self.body(&head).await.unwrap_or_default();
            return Err(match serde_json::from_slice(&body) {
                Ok(problem) => HttpError::Refused { path: path.to_owned(), problem: Box::new(problem) },
                Err(_) => HttpError::Status { path: path.to_owned(), status: head.status },
            });
        }
        self.buffer.drain(..head.len);
        Ok((self.stream, self.buffer))
    }

    async fn answer(&mut self) -> Result<(u16, Vec<u8>), HttpError> {
        let head = self.head().await?;
        let body = self.body(&head).await?;
        Ok((head.status, body))
    }

    async fn body(&mut self, head: &Head) -> Result<Vec<u8>, HttpError> {
        let len = match (head.content_length, head.status) {
            (Some(len), _) => len,
            (None, 204) => 0,
            (None, _) => return Err(HttpError::NotHttp("no content-length")),
        };
        if len > BODY_BYTES_MAX {
            return Err(HttpError::NotHttp("a body over 4 MiB"));
        }
        let end = head.len + len;
        while self.buffer.len() < end {
            self.read_more().await?;
        }
        let body = self.buffer.get(head.len..end).unwrap_or_default().to_vec();
        self.buffer.drain(..end);
        Ok(body)
    }

    async fn head(&mut self) -> Result<Head, HttpError> {
        loop {
            if let Some(head) = parse_head(&self.buffer)? {
                return Ok(head);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(HttpError::NotHttp("a head over 16 KiB"));
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), HttpError> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 { Err(HttpError::Closed) } else { Ok(()) }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<Head>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let len = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HttpError::NotHttp("a malformed head")),
    };
    let mut content_length = None;
    for header in answer.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            content_length = Some(text.ok_or(HttpError::NotHttp("a content-length that is no number"))?);
        }
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(HttpError::NotHttp("a chunked body"));
        }
    }
    Ok(Some(Head { status: answer.code.unwrap_or(0), content_length, len }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers the requests of one connection with these bytes, one after the other, in pieces of `piece`.
    async fn serve(answers: Vec<String>, piece: usize) -> HttpConn {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = [0; 4096];
            for answer in answers {
                assert_ne!(stream.read(&mut request).await.expect("a request"), 0);
                for part in answer.as_bytes().chunks(piece) {
                    stream.write_all(part).await.expect("written");
                    tokio::task::yield_now().await;
                }
            }
        });
        HttpConn::new(TcpStream::connect(address).await.expect("connects"), "test")
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn answers_in_pieces_on_one_connection() {
        for piece in [1, 7, 1000] {
            let mut conn = serve(vec![answer("201 Created", "[1,2]"), answer("200 OK", "[3]")], piece).await;
            assert_eq!(conn.post::<Vec<u32>>("/a", None, &"x").await.expect("an answer"), [1, 2]);
            assert_eq!(conn.post::<Vec<u32>>("/a", Some("token"), &"x").await.expect("an answer"), [3]);
            assert!(matches!(conn.post::<Vec<u32>>("/a", None, &"x").await, Err(HttpError::Closed | HttpError::Io(_))));
        }
    }

    #[tokio::test]
    async fn refusals_say_why() {
        let problem =
            r#"{"type":"t","title":"Slow down","status":429,"detail":"5 per minute","code":400,"action":"retry"}"#;
        let answers = vec![answer("429 Too Many Requests", problem), answer("500 Oops", "<html>")];
        let mut conn = serve(answers, 100).await;
        let refused = conn.post::<u32>("/v1/accounts", None, &"x").await.expect_err("refused").to_string();
        assert!(refused.contains("/v1/accounts: Slow down (5 per minute, error 400); raise"), "{refused}");
        let status = conn.post::<u32>("/v1/accounts", None, &"x").await.expect_err("refused");
        assert!(matches!(status, HttpError::Status { status: 500, .. }));
    }

    #[tokio::test]
    async fn an_upgrade_keeps_the_bytes_that_came_with_it() {
        let conn =
            serve(vec!["HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nframe".into()], 1000).await;
        let (_, early) = conn.upgrade("/v1/ws").await.expect("upgraded");
        assert_eq!(early, b"frame");
        let conn = serve(vec![answer("404 Not Found", "")], 1000).await;
        assert!(matches!(conn.upgrade("/v1/ws").await, Err(HttpError::Status { status: 404, .. })));
    }
}
