//! What stands between an adapter and a system: it can be closed, and lose an answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

/// A proxy on an address of its own. What goes through it ends when it is closed or dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    to: SocketAddr,
    /// How the request begins whose answer is to be lost.
    losing: Arc<Mutex<Option<String>>>,
    running: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn start(to: &str) -> Self {
        let to = Url::parse(to).unwrap().socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut proxy = Self { address, to, losing: Arc::default(), running: JoinSet::new() };
        proxy.serve(listener);
        proxy
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody is there any more.
    pub(super) async fn close(&mut self) {
        self.running.shutdown().await;
    }

    /// Somebody is there again.
    pub(super) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    /// The next request that begins so is passed on whole, and its answer is not.
    pub(super) fn lose(&self, begins: &str) {
        *self.losing.lock().unwrap() = Some(begins.to_owned());
    }

    fn serve(&mut self, listener: TcpListener) {
        let (to, losing) = (self.to, Arc::clone(&self.losing));
        self.running.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let losing = Arc::clone(&losing);
                connections.spawn(async move {
                    let server = TcpStream::connect(to).await.unwrap();
                    between(client, server, &losing).await;
                });
            }
        });
    }
}

/// Passes on what both sides say, until one of them ends or an answer is to be lost.
async fn between(mut client: TcpStream, mut server: TcpStream, losing: &Mutex<Option<String>>) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut lose = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                lose |= is_to_be_lost(&asked[..length], losing);
                if server.write_all(&asked[..length]).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                // The server has done what it was asked for.
                if lose { return }
                if client.write_all(&answered[..length]).await.is_err() { return }
            }
        }
    }
}

fn is_to_be_lost(asked: &[u8], losing: &Mutex<Option<String>>) -> bool {
    losing.lock().unwrap().take_if(|begins| asked.starts_with(begins.as_bytes())).is_some()
}
