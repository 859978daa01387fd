//! Who holds the door's connections, and which one has to make room when they are all taken.
//!
//! A connection that waits for its peer (for a request's head or the rest of its body) is cheap to
//! open and free to keep, so that a stranger with a few hundred of them could keep everybody else
//! out. When there is no room, the one that has waited longest is cut, first of those of the
//! network that holds the most. What was heard whole is never cut. A genuine sender's request is
//! here within milliseconds, so that it is never the one that has waited longest; and behind a
//! proxy, where all come from one address, the same rule holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Where a connection comes from, as far as one person is likely to own it: an IPv4 address, or
/// the first 64 bits of an IPv6 address (RFC 6177 gives no site less).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Network(u128);

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u128::from(address.to_bits())),
            IpAddr::V6(address) => Self(address.to_bits() & (u128::MAX << 64)),
        }
    }
}

/// One connection in the book.
struct Entry {
    network: Network,
    /// Since when it waits for its peer, on a clock that counts what happens; nothing while a
    /// request of it is being answered.
    waits_since: Option<u64>,
    /// Bytes of the body that it has sent so far.
    bytes: usize,
    /// Ends the connection.
    cut: CancellationToken,
}

/// The book of connections; pure but for the tokens that it cancels.
#[derive(Default)]
struct Book {
    /// Counts what happens.
    clock: u64,
    entries: HashMap<u64, Entry>,
    /// Bytes of bodies that are held in all.
    bytes: usize,
    /// How many were cut so far.
    cut: u64,
}

impl Book {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn waits(&mut self, id: u64, waits: bool) {
        let since = waits.then(|| self.tick());
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.waits_since = since;
        }
    }

    /// The one that has waited longest, of those of the network that holds the most, where
    /// `weight` says how much a connection holds. One that holds nothing is left alone.
    fn victim(&self, weight: impl Fn(&Entry) -> usize) -> Option<u64> {
        let waiting = || {
            self.entries.iter().filter_map(|(id, entry)| {
                let since = entry.waits_since.filter(|_| weight(entry) > 0)?;
                Some((*id, entry, since))
            })
        };
        let mut held: HashMap<Network, usize> = HashMap::new();
        for (_, entry, _) in waiting() {
            *held.entry(entry.network).or_default() += weight(entry);
        }
        let (most, _) = held.into_iter().max_by_key(|(network, held)| (*held, *network))?;
        let of_most = waiting().filter(|(_, entry, _)| entry.network == most);
        of_most.min_by_key(|(_, _, since)| *since).map(|(id, ..)| id)
    }

    fn cut(&mut self, id: u64) {
        if let Some(entry) = self.remove(id) {
            entry.cut.cancel();
            self.cut += 1;
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

/// The connections of one door.
pub(super) struct Lines {
    book: Mutex<Book>,
    /// Told whenever there may be room again.
    changed: Notify,
    /// Most connections at once.
    most: usize,
    /// Most bytes of bodies at once.
    most_bytes: usize,
}

/// One connection's place among them, which it gives back when dropped.
pub(super) struct Line {
    lines: Arc<Lines>,
    id: u64,
    /// Cancelled when the connection has to make room.
    pub(super) cut: CancellationToken,
}

impl Lines {
    /// At most so many connections, and so many bytes of bodies that are not whole yet.
    pub(super) fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        let (book, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { book, changed, most, most_bytes })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were cut so far.
    pub(super) fn cuts(&self) -> u64 {
        self.book().cut
    }

    /// Waits until another connection can be taken in, though one may have to be cut for it.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let book = self.book();
                let all_work = || book.entries.values().all(|entry| entry.waits_since.is_none());
                if book.entries.len() < self.most || !all_work() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Cuts the one that is first to make room, if there is one that may be cut.
    pub(super) fn make_room(&self) {
        let mut book = self.book();
        if let Some(id) = book.victim(|_| 1) {
            book.cut(id);
        }
    }

    /// Takes a connection in. It waits for its peer.
    pub(super) fn take_in(self: &Arc<Self>, address: IpAddr) -> Line {
        let mut book = self.book();
        if book.entries.len() >= self.most
            && let Some(id) = book.victim(|_| 1)
        {
            book.cut(id);
        }
        let id = book.tick();
        let cut = CancellationToken::new();
        let (network, waits_since) = (Network::of(address), Some(id));
        book.entries.insert(id, Entry { network, waits_since, bytes: 0, cut: cut.clone() });
        drop(book);
        Line { lines: Arc::clone(self), id, cut }
    }
}

impl Line {
    /// Some bytes of a body came. Where too many are held, some connection has to make room, which
    /// may be this one.
    pub(super) fn holds(&self, bytes: usize) {
        let mut book = self.lines.book();
        let Some(entry) = book.entries.get_mut(&self.id) else { return };
        entry.bytes += bytes;
        book.bytes += bytes;
        while book.bytes > self.lines.most_bytes
            && let Some(id) = book.victim(|entry| entry.bytes)
        {
            book.cut(id);
        }
    }

    /// A request was heard whole, and is being answered.
    pub(super) fn works(&self) {
        self.lines.book().waits(self.id, false);
    }

    /// A request was answered; the peer may send another.
    pub(super) fn waits(&self) {
        let mut book = self.lines.book();
        book.waits(self.id, true);
        if let Some(entry) = book.entries.get_mut(&self.id) {
            let bytes = std::mem::take(&mut entry.bytes);
            book.bytes -= bytes;
        }
        drop(book);
        self.lines.changed.notify_one();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.lines.book().remove(self.id);
        self.lines.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [192, 0, 2, 1];
    const B: [u8; 4] = [192, 0, 2, 2];

    /// Which of some connections were cut.
    fn cut(lines: &[Line]) -> Vec<usize> {
        (0..lines.len()).filter(|index| lines[*index].cut.is_cancelled()).collect()
    }

    fn has_room(lines: &Lines) -> bool {
        use futures_util::FutureExt as _;
        lines.room().now_or_never().is_some()
    }

    #[test]
    fn whoever_waited_longest_makes_room() {
        let door = Lines::new(3, 100);
        let mut held: Vec<Line> = (0..3).map(|_| door.take_in(A.into())).collect();
        assert_eq!(cut(&held), [0; 0]);
        // The first was answered a moment ago.
        held[0].works();
        held[0].waits();
        held.push(door.take_in(A.into()));
        assert_eq!(cut(&held), [1]);
        held.push(door.take_in(A.into()));
        assert_eq!(cut(&held), [1, 2]);
        assert_eq!(door.cuts(), 2);
    }

    #[test]
    fn whoever_holds_the_most_makes_room_first() {
        let door = Lines::new(4, 100);
        let mut held = vec![door.take_in(B.into())];
        held.extend((0..3).map(|_| door.take_in(A.into())));
        held.extend((0..2).map(|_| door.take_in(B.into())));
        assert_eq!(
            cut(&held),
            [0, 1],
            "first one of the three of A, then of two and two the larger"
        );
    }

    #[test]
    fn what_was_heard_whole_is_never_cut() {
        let door = Lines::new(2, 100);
        let mut held: Vec<Line> = (0..2).map(|_| door.take_in(A.into())).collect();
        assert!(has_room(&door));
        held[0].works();
        held[1].works();
        assert!(!has_room(&door), "nobody waits, so nobody can make room");
        held.push(door.take_in(A.into()));
        assert_eq!(cut(&held), [0; 0]);
        held[1].waits();
        assert!(has_room(&door));
        held.push(door.take_in(A.into()));
        assert_eq!(cut(&held), [2]);
    }

    #[test]
    fn a_place_is_given_back() {
        let door = Lines::new(1, 100);
        let first = door.take_in(A.into());
        first.works();
        assert!(!has_room(&door));
        first.holds(60);
        drop(first);
        assert!(has_room(&door));
        let second = door.take_in(A.into());
        second.holds(60);
        assert!(!second.cut.is_cancelled(), "the bytes of the first are not held any more");
        second.waits();
        second.holds(60);
        assert!(!second.cut.is_cancelled(), "nor are those of a request that was answered");
    }

    #[test]
    fn whoever_holds_the_most_bytes_makes_room_for_a_body() {
        let door = Lines::new(9, 100);
        let held: Vec<Line> =
            [A, A, B, B].into_iter().map(|address| door.take_in(address.into())).collect();
        held[1].holds(60);
        held[3].holds(30);
        held[3].works();
        // The first of A has sent nothing, and of B one is heard whole.
        held[2].holds(20);
        assert_eq!(cut(&held), [1]);
        held[2].holds(60);
        assert_eq!(cut(&held), [1, 2]);
        held[3].holds(90);
        assert_eq!(cut(&held), [1, 2], "more than may be held, but of a request heard whole");
    }

    #[test]
    fn a_network_is_an_address_or_half_of_one() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
    }
}
