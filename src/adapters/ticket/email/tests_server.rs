//! A mail server that is strict about what RFC 5321 asks of those who speak to it, answers as a
//! test tells it to and remembers what it was told.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::adapters::http::roots;
use crate::domain::sink::Tls;

pub(super) const USER: &str = "warden";
pub(super) const PASSWORD: &str = "s3cret pässword";

/// What is answered in place of what would be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    Says(&'static str),
    Hangs,
    Closes,
    /// Never ends a line.
    Floods,
}

/// How a server is set up.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) tls: Tls,
    /// What it offers to sign in with; nobody may send mail who has not, unless it is empty.
    pub(super) mechanisms: &'static str,
    /// What is answered to lines that begin so; `connect` and `.` are the greeting and the mail.
    pub(super) answers: Vec<(&'static str, Reply)>,
    /// Whether somebody in between says something after STARTTLS.
    pub(super) injects: bool,
}

impl Script {
    pub(super) fn new(tls: Tls) -> Self {
        Self { tls, mechanisms: "PLAIN LOGIN", answers: vec![], injects: false }
    }

    pub(super) fn answers(self, to: &'static str, reply: Reply) -> Self {
        let answers = self.answers.iter().copied().chain([(to, reply)]).collect();
        Self { answers, ..self }
    }
}

/// What a server was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Every line but those of mail.
    pub(super) lines: Vec<String>,
    /// The mail, as it was written.
    pub(super) mail: Vec<Vec<u8>>,
    /// What was not as it has to be.
    pub(super) wrong: Vec<String>,
}

/// A running server. It stops when dropped.
pub(super) struct MailHost {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _serving: JoinSet<()>,
}

fn vector(name: &str) -> String {
    let vectors = include_str!("../../../../tests/data/tls-openssl.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    vectors[name].as_str().unwrap().to_owned()
}

/// TLS that believes whoever signed the server's certificate.
pub(super) fn believing_it() -> Arc<ClientConfig> {
    let root = CertificateDer::from_pem_slice(vector("rootPem").as_bytes()).unwrap();
    let mut tls = roots::believing(&[root]).unwrap();
    tls.alpn_protocols.clear();
    Arc::new(tls)
}

fn acceptor() -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_slice(vector("keyPem").as_bytes()).unwrap();
    let own = CertificateDer::from_pem_slice(vector("certificatePem").as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl MailHost {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (log, acceptor) = (Arc::clone(&seen), acceptor());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut each = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let host = Host { script: script.clone(), seen: Arc::clone(&log) };
                let acceptor = acceptor.clone();
                // Whoever breaks off is seen by what is missing.
                each.spawn(async move { drop(host.serve(tcp, &acceptor).await) });
            }
        });
        Self { address, seen, _serving: serving }
    }

    /// What it was told so far, all of it as it has to be.
    pub(super) fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap().clone();
        assert_eq!(seen.wrong, Vec::<String>::new(), "{:?}", seen.lines);
        seen
    }

    /// The first words of what it was told.
    pub(super) fn verbs(&self) -> Vec<String> {
        let verb = |line: &String| line.split([' ', ':']).next().unwrap().to_owned();
        self.seen().lines.iter().map(verb).collect()
    }
}

/// One conversation.
struct Host {
    script: Script,
    seen: Arc<Mutex<Seen>>,
}

impl Host {
    async fn serve(self, tcp: TcpStream, acceptor: &TlsAcceptor) -> io::Result<()> {
        match self.script.tls {
            Tls::Implicit => {
                let mut tls = BufReader::new(acceptor.accept(tcp).await?);
                self.speak(&mut tls, true, true).await.map(drop)
            }
            Tls::None => self.speak(&mut BufReader::new(tcp), true, true).await.map(drop),
            Tls::Starttls => {
                let mut plain = BufReader::new(tcp);
                if !self.speak(&mut plain, true, false).await? {
                    return Ok(());
                }
                if !plain.buffer().is_empty() {
                    self.wrong("it went on speaking after STARTTLS");
                }
                let mut tls = BufReader::new(acceptor.accept(plain.into_inner()).await?);
                self.speak(&mut tls, false, true).await.map(drop)
            }
        }
    }

    fn wrong(&self, what: &str) {
        self.seen.lock().unwrap().wrong.push(what.to_owned());
    }

    /// Answers as it was told to; else `usual`. Says whether that was the usual.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &mut BufReader<S>,
        to: &str,
        usual: &str,
    ) -> io::Result<bool> {
        let told = self.script.answers.iter().find(|it| to.starts_with(it.0));
        let says = match told.map(|it| it.1) {
            None => usual,
            Some(Reply::Says(says)) => says,
            Some(Reply::Closes) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Reply::Hangs) => std::future::pending().await,
            Some(Reply::Floods) => loop {
                server.get_mut().write_all(&[b'2'; 1024]).await?;
            },
        };
        server.get_mut().write_all(format!("{says}\r\n").as_bytes()).await?;
        server.get_mut().flush().await?;
        Ok(told.is_none())
    }

    /// A line, without its end; nothing at the end of all.
    async fn line<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &mut BufReader<S>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        server.take(4096).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(None);
        }
        let Some(text) = line.strip_suffix(b"\r\n") else {
            self.wrong(&format!("a line does not end as it has to: {line:?}"));
            return Ok(None);
        };
        if text.iter().any(|byte| matches!(byte, b'\r' | 0) || !byte.is_ascii()) || text.len() > 998
        {
            self.wrong(&format!("a line is none: {text:?}"));
        }
        Ok(Some(text.to_vec()))
    }

    /// Speaks until the end. Says whether TLS is to follow.
    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &mut BufReader<S>,
        greets: bool,
        safe: bool,
    ) -> io::Result<bool> {
        if greets {
            self.answer(server, "connect", "220 mail.example ESMTP").await?;
        }
        let (mut hello, mut sender, mut recipients) = (false, false, 0);
        let mut signed_in = self.script.mechanisms.is_empty();
        while let Some(line) = self.line(server).await? {
            let line = String::from_utf8(line).unwrap();
            self.seen.lock().unwrap().lines.push(line.clone());
            if line.len() > 510 {
                self.wrong("a command is too long");
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb {
                "EHLO" => {
                    if rest != "[127.0.0.1]" {
                        self.wrong(&format!("nobody is called {rest}"));
                    }
                    let offers = match (self.script.tls, safe) {
                        (Tls::Starttls, false) => "250-mail.example\r\n250 STARTTLS".to_owned(),
                        _ if self.script.mechanisms.is_empty() => "250 mail.example".to_owned(),
                        _ => format!("250-mail.example\r\n250 AUTH {}", self.script.mechanisms),
                    };
                    hello |= self.answer(server, &line, &offers).await?;
                }
                "STARTTLS" if hello && !safe => {
                    let more = if self.script.injects { "\r\n250 AUTH PLAIN" } else { "" };
                    if self.answer(server, &line, &format!("220 go ahead{more}")).await? {
                        return Ok(true);
                    }
                }
                "AUTH" if hello && safe && !signed_in => {
                    let (given, well) = self.signing_in(server, rest).await?;
                    let usual = if well { "235 welcome" } else { "535 5.7.8 no" };
                    signed_in = self.answer(server, &format!("AUTH {given}"), usual).await? && well;
                }
                "MAIL" if hello && safe && signed_in && !sender => {
                    sender = self.answer(server, &line, "250 ok").await?;
                }
                "RCPT" if sender => {
                    recipients += usize::from(self.answer(server, &line, "250 ok").await?);
                }
                "DATA" if recipients > 0 => {
                    if self.answer(server, "DATA", "354 go ahead").await? {
                        self.mail(server).await?;
                        self.answer(server, ".", "250 2.0.0 taken").await?;
                        (sender, recipients) = (false, 0);
                    }
                }
                "RSET" => {
                    (sender, recipients) = (false, 0);
                    self.answer(server, &line, "250 ok").await?;
                }
                "QUIT" => {
                    self.answer(server, &line, "221 bye").await?;
                    return Ok(false);
                }
                _ => {
                    self.wrong(&format!("{line} has no place there"));
                    self.answer(server, &line, "503 5.5.1 not now").await?;
                }
            }
        }
        Ok(false)
    }

    /// What somebody signs in with, and whether that is right.
    async fn signing_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &mut BufReader<S>,
        rest: &str,
    ) -> io::Result<(String, bool)> {
        let read = |text: &[u8]| String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
        if let Some(initial) = rest.strip_prefix("PLAIN ") {
            let well = read(initial.as_bytes()) == format!("\0{USER}\0{PASSWORD}");
            return Ok((rest.to_owned(), well));
        }
        let mut given = Vec::new();
        for challenge in ["Username:", "Password:"] {
            let challenge = format!("334 {}\r\n", STANDARD.encode(challenge));
            server.get_mut().write_all(challenge.as_bytes()).await?;
            server.get_mut().flush().await?;
            given.push(read(&self.line(server).await?.unwrap_or_default()));
        }
        Ok((rest.to_owned(), rest == "LOGIN" && given == [USER, PASSWORD]))
    }

    async fn mail<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &mut BufReader<S>,
    ) -> io::Result<()> {
        let mut mail = Vec::new();
        while let Some(line) = self.line(server).await? {
            if line == b"." {
                self.seen.lock().unwrap().mail.push(mail);
                return Ok(());
            }
            mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            mail.extend_from_slice(b"\r\n");
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
