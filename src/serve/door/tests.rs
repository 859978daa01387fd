//! Connections that misbehave, against a door in this process.

use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

/// How long anything may take that is waited for. Only a failing test waits so long.
const LIMIT: Duration = Duration::from_secs(30);

/// A time limit that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

const WELL: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// A running door.
struct Standing {
    address: SocketAddr,
    stopping: CancellationToken,
    open: JoinSet<()>,
}

impl Standing {
    async fn new(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let (token, mut open) = (stopping.clone(), JoinSet::new());
        open.spawn(async move { super::open(listener, router, limits, &token).await });
        Self { address, stopping, open }
    }

    async fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Waits until it is over.
    async fn ended(&mut self) {
        within(self.open.join_next()).await.unwrap().unwrap();
    }
}

async fn within<T>(waits: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, waits).await.expect("it took too long")
}

/// Everything until the connection is closed, well or not.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // How a connection that is cut ends for its peer is for the system to say.
    drop(within(stream.read_to_end(&mut text)).await);
    String::from_utf8(text).unwrap()
}

/// One answer with the body `well`.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("well") {
        let byte = within(stream.read_u8()).await.expect("no answer");
        text.push(char::from(byte));
    }
    text
}

fn well() -> Router {
    Router::new().route("/", get(|| async { "well" }))
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for_and_an_idle_connection_is() {
    let door = Standing::new(well(), Limits { head_within: SHORT, ..Limits::default() }).await;
    let mut unused = door.connect("").await;
    let mut used = door.connect(WELL).await;
    answer(&mut used).await;
    let mut slow = door.connect("GET / HTTP/1.1\r\nhost").await;
    assert_eq!(rest(&mut slow).await, "");
    // By now both are idle for longer than a head may take.
    for idle in [&mut unused, &mut used] {
        idle.write_all(WELL.as_bytes()).await.unwrap();
        assert!(answer(idle).await.starts_with("HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let door = Standing::new(well(), Limits { head_within: SHORT, ..Limits::default() }).await;
    let mut slow = door.connect("GET / HTTP/1.1\r\n").await;
    let mut pause = tokio::time::interval(SHORT / 10);
    let trickle = async {
        while slow.write_all(b"a: b\r\n").await.is_ok() {
            pause.tick().await;
        }
    };
    within(trickle).await;
}

#[tokio::test]
async fn an_idle_connection_ends_some_time() {
    let door = Standing::new(well(), Limits { idle_within: SHORT, ..Limits::default() }).await;
    let mut idle = door.connect(WELL).await;
    let told = rest(&mut idle).await;
    assert!(told.starts_with("HTTP/1.1 200 OK") && told.ends_with("well"), "{told}");
}

#[tokio::test]
async fn whoever_takes_no_answer_does_not_keep_the_connection() {
    let much = Router::new().route("/", get(|| async { "much".repeat(16 * 1024 * 1024) }));
    let limits = Limits { write_within: SHORT, finish_within: LIMIT * 2, ..Limits::default() };
    let mut door = Standing::new(much, limits).await;
    let mut stream = door.connect(WELL).await;
    // The answer has begun, and is not read on.
    within(stream.read_u8()).await.unwrap();
    door.stopping.cancel();
    door.ended().await;
    assert!(rest(&mut stream).await.len() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_mistake_ends_one_connection_and_no_other() {
    let falling = get(|| async {
        assert!(LIMIT.is_zero(), "a mistake");
        "never"
    });
    let mut door = Standing::new(well().route("/falls", falling), Limits::default()).await;
    let mut other = door.connect("").await;
    let mut falls = door.connect("GET /falls HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(rest(&mut falls).await, "");
    other.write_all(WELL.as_bytes()).await.unwrap();
    answer(&mut other).await;
    answer(&mut door.connect(WELL).await).await;
    door.stopping.cancel();
    door.ended().await;
}

#[tokio::test]
async fn connections_that_wait_make_room_and_requests_under_way_do_not() {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = {
        let (came, go) = (came.clone(), go.clone());
        get(move || async move {
            came.notify_one();
            go.notified().await;
            "well"
        })
    };
    let limits = Limits { connections: 4, ..Limits::default() };
    let mut door = Standing::new(well().route("/held", held), limits).await;
    let mut working = door.connect("GET /held HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(came.notified()).await;
    let mut idle = door.connect(WELL).await;
    answer(&mut idle).await;
    let mut half = Vec::new();
    for text in ["", "GET", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc", "", ""] {
        half.push(door.connect(text).await);
    }
    // There is room for three beside the one that is being answered.
    answer(&mut door.connect(WELL).await).await;
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut half[0]).await, "");
    half[4].write_all(WELL.as_bytes()).await.unwrap();
    answer(&mut half[4]).await;
    go.notify_one();
    answer(&mut working).await;
    door.stopping.cancel();
    door.ended().await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_waits_for_nothing_else() {
    let echo = axum::routing::post(|body: axum::body::Bytes| async move { body });
    let never = LIMIT * 2;
    let limits = Limits { finish_within: never, head_within: never, ..Limits::default() };
    let limits = Limits { idle_within: never, ..limits };
    let mut door = Standing::new(well().route("/echo", echo), limits).await;
    let mut under_way = door
        .connect(
            "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n",
        )
        .await;
    let mut word = [0; 25];
    within(under_way.read_exact(&mut word)).await.unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    let mut idle = door.connect(WELL).await;
    answer(&mut idle).await;
    let mut half = door.connect("GET / HT").await;
    let mut unused = door.connect("").await;
    door.stopping.cancel();
    for waiting in [&mut idle, &mut half, &mut unused] {
        assert_eq!(rest(waiting).await, "");
    }
    under_way.write_all(b"well").await.unwrap();
    let told = rest(&mut under_way).await;
    assert!(told.starts_with("HTTP/1.1 200 OK") && told.ends_with("well"), "{told}");
    door.ended().await;
    assert!(TcpStream::connect(door.address).await.is_err());
}
