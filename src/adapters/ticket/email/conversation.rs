//! A conversation with a mail server up to where mail may follow: connected, encrypted, signed in.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    ReadBuf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::domain::sink::{MailServer, Tls};
use crate::domain::text::foreign;
use crate::ports::ticket::{Class, SinkError};

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);

/// Most bytes that a server may say in one conversation.
const SAID_MAX: usize = 64 * 1024;

/// Most bytes of a line of its replies; RFC 5321, section 4.5.3.1.5, allows 512.
const LINE_MAX: u64 = 1_000;

/// Most lines of a reply.
const LINES_MAX: usize = 100;

/// Where mail is handed in.
pub(super) struct Place {
    /// The sink, as errors name it.
    pub(super) whom: String,
    /// The server.
    pub(super) server: MailServer,
    /// How the conversation is encrypted.
    pub(super) tls: Tls,
    /// TLS that believes the roots of this machine; nothing where it has none.
    pub(super) roots: Option<Arc<ClientConfig>>,
}

/// What a reply is to, and so what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// To the connection, and to EHLO.
    Greeting,
    /// To STARTTLS.
    Starttls,
    /// To AUTH.
    SignIn,
    /// To MAIL.
    Sender,
    /// To RCPT.
    Recipient,
    /// To DATA.
    Data,
    /// To the mail itself.
    End,
}

impl At {
    fn what(self) -> &'static str {
        match self {
            Self::Greeting => "the greeting",
            Self::Starttls => "STARTTLS",
            Self::SignIn => "the sign-in",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Data => "the announcement of a mail",
            Self::End => "the mail",
        }
    }

    /// The class of what is not known.
    fn lost(self) -> Class {
        if self == Self::End { Class::Ambiguous } else { Class::Transient }
    }

    /// The class of a refusal (RFC 5321, section 4.2; RFC 4954, section 6).
    fn class(self, code: u16) -> Class {
        match (self, code) {
            // 552 to a recipient is "too much mail for this one", which may pass (RFC 5321, section
            // 4.5.3.1.10).
            (_, 400..=499) | (Self::Recipient, 552) => Class::Transient,
            (Self::SignIn, _) | (_, 530 | 534 | 535 | 538) => Class::Auth,
            (Self::Sender | Self::End, 552) => Class::TooLarge,
            _ => Class::Config,
        }
    }
}

impl Place {
    /// Connects, encrypts and introduces itself.
    ///
    /// # Errors
    /// Those of the network and of TLS, and what the server refuses.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, SinkError> {
        let to = (self.server.host.to_string(), self.server.port);
        let host = to.0.trim_matches(['[', ']']).to_owned();
        let connected =
            tokio::time::timeout(CONNECT, TcpStream::connect((host.as_str(), to.1))).await;
        let tcp = match connected {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(self.broken("cannot be reached", error)),
            Err(_) => return Err(self.transient("cannot be reached in time")),
        };
        let broken = |error| self.broken("broke off", error);
        let peer = tcp.peer_addr().map_err(broken)?;
        let name = match tcp.local_addr().map_err(broken)?.ip() {
            std::net::IpAddr::V4(ip) => ClientId::Ipv4(ip),
            std::net::IpAddr::V6(ip) => ClientId::Ipv6(ip),
        };
        let (stream, again): (Box<dyn Stream>, bool) = match self.tls {
            // The name of this machine may lead elsewhere.
            Tls::None if !peer.ip().is_loopback() => {
                return Err(self.config("is not on this machine, and nothing else is unencrypted"));
            }
            Tls::None => (Box::new(tcp), false),
            Tls::Implicit => (Box::new(self.encrypted(tcp, host).await?), false),
            Tls::Starttls => {
                let tcp = self.asked_to_encrypt(tcp, &name).await?;
                (Box::new(self.encrypted(tcp, host).await?), true)
            }
        };
        // A server that was greeted before STARTTLS does not greet once more; whoever speaks from
        // here on waits for it.
        let before = if again { b"220 encrypted\r\n".to_vec() } else { vec![] };
        let line = Line { before, stream, left: SAID_MAX, peer };
        let opened = AsyncSmtpConnection::connect_with_transport(Box::new(line), &name).await;
        opened.map_err(|error| self.refused(At::Greeting, &error))
    }

    /// Signs in, by what the server offers of what is known.
    pub(super) async fn sign_in(
        &self,
        server: &mut AsyncSmtpConnection,
        credentials: &Credentials,
    ) -> Result<(), SinkError> {
        let known = [Mechanism::Plain, Mechanism::Login];
        if server.server_info().get_auth_mechanism(&known).is_none() {
            return Err(self.config("offers neither PLAIN nor LOGIN to sign in with"));
        }
        let signed_in = server.auth(&known, credentials).await;
        let signed_in = signed_in.map_err(|error| self.refused(At::SignIn, &error))?;
        if signed_in.has_code(235) { Ok(()) } else { Err(self.strange(At::SignIn)) }
    }

    /// Has the server wait for TLS: nothing it said before that is kept.
    async fn asked_to_encrypt(
        &self,
        tcp: TcpStream,
        name: &ClientId,
    ) -> Result<TcpStream, SinkError> {
        let mut server = BufReader::new(tcp);
        self.reply(&mut server, At::Greeting, 220).await?;
        self.say(&mut server, &Ehlo::new(name.clone())).await?;
        let offers = self.reply(&mut server, At::Greeting, 250).await?;
        if !offers.iter().any(|offer| offer.trim().eq_ignore_ascii_case("STARTTLS")) {
            return Err(self.config("does not offer STARTTLS, and nothing is said unencrypted"));
        }
        self.say(&mut server, &Starttls).await?;
        self.reply(&mut server, At::Starttls, 220).await?;
        // Whatever stands there already was put there by somebody who may not be the server
        // (RFC 3207, section 6).
        if !server.buffer().is_empty() {
            return Err(self.config("went on speaking unencrypted after STARTTLS"));
        }
        Ok(server.into_inner())
    }

    async fn encrypted(
        &self,
        tcp: TcpStream,
        host: String,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SinkError> {
        let Some(roots) = &self.roots else {
            return Err(self.config("cannot be believed: this machine trusts no certificates"));
        };
        let name = ServerName::try_from(host);
        let name = name.map_err(|_| self.config("has a name that no certificate can have"))?;
        let connected = TlsConnector::from(Arc::clone(roots)).connect(name, tcp).await;
        connected.map_err(|error| {
            let beneath = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
            if matches!(beneath, Some(rustls::Error::InvalidCertificate(_))) {
                SinkError {
                    class: Class::Config,
                    ..self.broken("is not whom its certificate says", error)
                }
            } else {
                self.broken("does not come to an encrypted connection", error)
            }
        })
    }

    async fn say(
        &self,
        server: &mut BufReader<TcpStream>,
        command: &impl fmt::Display,
    ) -> Result<(), SinkError> {
        let written = server.get_mut().write_all(command.to_string().as_bytes()).await;
        written.map_err(|error| self.broken("broke off", error))
    }

    /// The lines of a reply, without their codes.
    async fn reply(
        &self,
        server: &mut BufReader<TcpStream>,
        at: At,
        expect: u16,
    ) -> Result<Vec<String>, SinkError> {
        let mut lines = Vec::new();
        while lines.len() < LINES_MAX {
            let mut line = Vec::new();
            let read = (&mut *server).take(LINE_MAX).read_until(b'\n', &mut line).await;
            read.map_err(|error| self.broken("broke off", error))?;
            let line = String::from_utf8_lossy(&line);
            let (code, rest) = line.split_at_checked(3).unwrap_or(("", ""));
            let Some(code) = code.parse::<u16>().ok().filter(|_| line.ends_with('\n')) else {
                return Err(self.strange(at));
            };
            let text = rest.get(1..).unwrap_or_default().trim_end().to_owned();
            lines.push(text);
            if rest.starts_with('-') {
                continue;
            }
            return match code {
                code if code == expect => Ok(lines),
                400..=599 => Err(self.said(at, code, Some(&lines.join(" ")))),
                _ => Err(self.strange(at)),
            };
        }
        Err(self.strange(at))
    }

    /// What was not done.
    pub(super) fn refused(&self, at: At, error: &Error) -> SinkError {
        let Some(code) = error.status() else {
            let said = format!("{} broke off at {}", self.whom, at.what());
            return SinkError::new(at.lost(), said);
        };
        let words = std::error::Error::source(error).map(ToString::to_string);
        self.said(at, code.into(), words.as_deref())
    }

    fn said(&self, at: At, code: u16, words: Option<&str>) -> SinkError {
        let mut said = format!("{} answered {code} to {}", self.whom, at.what());
        // To a sign-in it might repeat what was said there.
        if let Some(words) = words.filter(|words| at != At::SignIn && !words.is_empty()) {
            said = format!("{said}: {}", foreign(words));
        }
        SinkError::new(at.class(code), said)
    }

    /// An answer that is none.
    pub(super) fn strange(&self, at: At) -> SinkError {
        SinkError::new(at.lost(), format!("{} answered strangely to {}", self.whom, at.what()))
    }

    fn config(&self, what: &str) -> SinkError {
        SinkError::new(Class::Config, format!("{}: {} {what}", self.whom, self.server))
    }

    fn transient(&self, what: &str) -> SinkError {
        SinkError::new(Class::Transient, format!("{}: {} {what}", self.whom, self.server))
    }

    fn broken(&self, what: &str, error: io::Error) -> SinkError {
        SinkError { source: Some(Box::new(error)), ..self.transient(what) }
    }
}

/// Where SMTP is spoken, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug> Stream for T {}

/// A stream whose other end may not say without limit.
#[derive(Debug)]
struct Line {
    /// What is read before anything of the stream.
    before: Vec<u8>,
    stream: Box<dyn Stream>,
    /// How many bytes may still be read.
    left: usize,
    peer: SocketAddr,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let most = self.before.len().min(buffer.remaining());
            buffer.put_slice(&self.before.drain(..most).collect::<Vec<u8>>());
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.left = match self.left.checked_sub(read) {
            Some(left) => left,
            None => return Poll::Ready(Err(io::Error::other("the server says too much"))),
        };
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
