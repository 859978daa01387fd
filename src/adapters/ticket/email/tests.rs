//! Mail as a strict server reads it, and what is made of what servers say.

use mail_parser::{HeaderName, MessageParser, MimeHeaders as _};
use proptest::prelude::*;
use serde_json::json;

use super::tests_server::{MailHost, PASSWORD, Reply, Script, USER, believing_it};
use super::*;
use crate::adapters::testing::QUICK;
use crate::adapters::ticket::alert::testing::delivery;
use crate::adapters::ticket::testing::{KEY, made, said};
use crate::domain::finding::Severity as Grave;
use crate::domain::markup::{Block, Document, Span};
use crate::domain::sink::Tls;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::said::{Said, TicketKey};

const FIRST: &str = "security@woodgrove.example";
const SECOND: &str = "cso@woodgrove.example";
const THIRD: &str = "desk@contoso.example";

/// More patience than any answer that comes needs.
const LONG: Duration = Duration::from_secs(20);

/// Less patience than a server needs that never answers.
const SHORT: Duration = Duration::from_millis(400);

fn email(host: &MailHost, tls: Tls, to: &[&str], patience: Duration) -> Email {
    speaking(host, tls, to, patience, Some(USER), &Common::default())
}

fn speaking(
    host: &MailHost,
    tls: Tls,
    to: &[&str],
    patience: Duration,
    user: Option<&str>,
    common: &Common,
) -> Email {
    let tls = match tls {
        Tls::Implicit => "implicit",
        Tls::Starttls => "starttls",
        Tls::None => "none",
    };
    let settings = json!({
        "server": host.address.to_string(), "tls": tls, "user": user,
        "from": "warden@woodgrove.example", "to": to,
    });
    let settings = serde_json::from_value(settings).unwrap();
    made(common, &[("password", PASSWORD)], QUICK, |making| {
        Email::with(&settings, making, Some(believing_it()), patience)
    })
}

async fn tell(email: &Email, delivery: &Delivery) -> Result<(), SinkError> {
    email.tell(delivery, Timestamp::UNIX_EPOCH).await
}

/// The header of this name, if there is exactly one.
fn only(mail: &mail_parser::Message<'_>, name: &str) -> Option<String> {
    let mut found =
        mail.headers_raw().filter(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.trim());
    let first = found.next()?;
    assert_eq!(found.next(), None, "{name} stands there twice");
    Some(first.to_owned())
}

#[tokio::test]
async fn a_mail_is_handed_over_encrypted_and_signed_in() {
    for (tls, verbs) in [
        (
            Tls::Starttls,
            &["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"][..],
        ),
        (Tls::Implicit, &["EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"][..]),
        (Tls::None, &["EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"][..]),
    ] {
        let host = MailHost::start(Script::new(tls)).await;
        let email = email(&host, tls, &[FIRST, SECOND], LONG);
        tell(&email, &delivery("ticket.opened", 1)).await.unwrap();
        assert_eq!(host.verbs(), verbs, "{tls:?}");
        let seen = host.seen();
        assert!(seen.lines.contains(&"MAIL FROM:<warden@woodgrove.example>".to_owned()));
        assert!(seen.lines.contains(&format!("RCPT TO:<{SECOND}>")), "{:?}", seen.lines);
        assert_eq!(seen.mail.len(), 1);
    }
}

#[tokio::test]
async fn all_mail_of_a_ticket_is_one_thread() {
    let host = MailHost::start(Script::new(Tls::Starttls)).await;
    let email = email(&host, Tls::Starttls, &[FIRST, SECOND], LONG);
    for (kind, number) in [("ticket.opened", 1), ("ticket.updated", 2), ("ticket.closed", 3)] {
        tell(&email, &delivery(kind, number)).await.unwrap();
        let raw = host.seen().mail.pop().unwrap();
        let mail = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(mail.message_id(), Some(format!("{KEY}-{number}@woodgrove.example").as_str()));
        let first = (number > 1).then(|| format!("<{KEY}-1@woodgrove.example>"));
        assert_eq!(only(&mail, "In-Reply-To"), first);
        assert_eq!(only(&mail, "References"), first);
        assert_eq!(only(&mail, "Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(only(&mail, "X-Auto-Response-Suppress").as_deref(), Some("All"));
        assert_eq!(only(&mail, "Importance").as_deref(), Some("high"));
        assert_eq!(only(&mail, "MIME-Version").as_deref(), Some("1.0"));
        assert_eq!(mail.subject(), Some("Woodgrove: a partner holds too much"));
        assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-23T12:00:00Z");
        let from = mail.from().unwrap().first().unwrap();
        assert_eq!(
            (from.name(), from.address()),
            (Some("Partner Warden"), Some("warden@woodgrove.example"))
        );
        let to: Vec<_> = mail.to().unwrap().iter().filter_map(|it| it.address()).collect();
        assert_eq!(to, [FIRST, SECOND]);
        assert!(mail.content_type().unwrap().c_subtype.as_deref() == Some("alternative"));
        let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
        assert!(text.contains("Agents <b>hold</b> Global Administrator"), "{text}");
        assert!(text.trim_end().ends_with(&format!("{KEY} #{number}")), "{text}");
        assert!(html.contains("Agents &lt;b&gt;hold&lt;/b&gt;") && !html.contains("<b>"), "{html}");
        assert!(html.contains(&format!("{KEY} #{number}")), "{html}");
    }
}

#[tokio::test]
async fn every_attempt_is_the_same_mail() {
    let host = MailHost::start(Script::new(Tls::None)).await;
    let email = email(&host, Tls::None, &[FIRST], LONG);
    for attempts in 0..2 {
        let again = Delivery { attempts, ..delivery("ticket.opened", 1) };
        email.tell(&again, Timestamp::UNIX_EPOCH + Duration::from_mins(1)).await.unwrap();
    }
    let mail = host.seen().mail;
    assert_eq!(mail.len(), 2);
    assert_eq!(mail[0], mail[1]);
}

#[tokio::test]
async fn each_way_to_sign_in_is_known_and_a_wrong_password_is_nobodys() {
    for mechanisms in ["PLAIN", "LOGIN", "XOAUTH2 LOGIN"] {
        let script = Script { mechanisms, ..Script::new(Tls::Starttls) };
        let host = MailHost::start(script).await;
        tell(&email(&host, Tls::Starttls, &[FIRST], LONG), &delivery("ticket.opened", 1))
            .await
            .unwrap_or_else(|error| panic!("{mechanisms}: {error}"));
        assert_eq!(host.seen().mail.len(), 1);
    }
    for mechanisms in ["", "GSSAPI", "XOAUTH2"] {
        let script = Script { mechanisms, ..Script::new(Tls::Starttls) };
        let host = MailHost::start(script).await;
        let email = email(&host, Tls::Starttls, &[FIRST], LONG);
        let error = tell(&email, &delivery("ticket.opened", 1)).await.unwrap_err();
        assert_eq!(error.class, Class::Config, "{mechanisms}: {error}");
        assert_eq!(host.verbs(), ["EHLO", "STARTTLS", "EHLO"], "no mail goes out unsigned");
    }
    let host = MailHost::start(Script::new(Tls::Starttls)).await;
    let other = speaking(&host, Tls::Starttls, &[FIRST], LONG, Some("other"), &Common::default());
    let error = tell(&other, &delivery("ticket.opened", 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Auth, "{error}");
    let script = Script { mechanisms: "", ..Script::new(Tls::Starttls) };
    let host = MailHost::start(script).await;
    let nobody = speaking(&host, Tls::Starttls, &[FIRST], LONG, None, &Common::default());
    tell(&nobody, &delivery("ticket.opened", 1)).await.unwrap();
}

#[tokio::test]
async fn nothing_is_said_to_whom_is_not_believed() {
    let host = MailHost::start(Script { tls: Tls::None, ..Script::new(Tls::None) }).await;
    let email = email(&host, Tls::Starttls, &[FIRST], LONG);
    let error = tell(&email, &delivery("ticket.opened", 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Config, "{error}");
    assert!(error.to_string().contains("does not offer STARTTLS"), "{error}");
    assert_eq!(host.verbs(), ["EHLO"]);
    // The roots of this machine know nothing of the server's certificate.
    for tls in [Tls::Starttls, Tls::Implicit] {
        let host = MailHost::start(Script::new(tls)).await;
        let mut machine = roots::tls().unwrap();
        machine.alpn_protocols.clear();
        for roots in [Some(Arc::new(machine)), None] {
            let mut email = self::email(&host, tls, &[FIRST], LONG);
            email.place.roots = roots;
            let error = tell(&email, &delivery("ticket.opened", 1)).await.unwrap_err();
            assert_eq!(error.class, Class::Config, "{tls:?}: {}", crate::ports::chain(&error));
            assert!(!host.verbs().iter().any(|verb| verb == "AUTH" || verb == "MAIL"));
        }
    }
}

#[tokio::test]
async fn whoever_speaks_between_starttls_and_tls_is_not_heard() {
    let host = MailHost::start(Script { injects: true, ..Script::new(Tls::Starttls) }).await;
    let email = email(&host, Tls::Starttls, &[FIRST], LONG);
    let error = tell(&email, &delivery("ticket.opened", 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Config, "{error}");
    assert!(error.to_string().contains("unencrypted after STARTTLS"), "{error}");
    assert_eq!(host.verbs(), ["EHLO", "STARTTLS"]);
}

#[tokio::test]
async fn every_answer_is_sorted_by_what_is_to_be_done() {
    let rcpt = "RCPT";
    for (to, says, class) in [
        ("connect", "421 4.3.2 not now", Class::Transient),
        ("connect", "554 5.7.1 not you", Class::Config),
        ("EHLO", "502 5.5.1 what", Class::Config),
        ("STARTTLS", "454 4.7.0 not now", Class::Transient),
        ("STARTTLS", "554 5.7.3 no", Class::Config),
        ("AUTH", "535 5.7.8 no", Class::Auth),
        ("AUTH", "550 5.7.30 Basic authentication is not supported", Class::Auth),
        ("AUTH", "534 5.7.9 weak", Class::Auth),
        ("AUTH", "454 4.7.0 not now", Class::Transient),
        ("AUTH", "250 hm", Class::Transient),
        ("MAIL", "530 5.7.0 sign in first", Class::Auth),
        ("MAIL", "550 5.7.60 not as this one", Class::Config),
        ("MAIL", "552 5.3.4 too large", Class::TooLarge),
        ("MAIL", "451 4.3.0 not now", Class::Transient),
        (rcpt, "550 5.1.1 nobody", Class::Config),
        (rcpt, "450 4.2.0 greylisted", Class::Transient),
        (rcpt, "552 5.2.2 full", Class::Transient),
        ("DATA", "451 4.3.0 not now", Class::Transient),
        ("DATA", "554 5.5.1 no", Class::Config),
        ("DATA", "250 hm", Class::Transient),
        (".", "451 4.3.0 not now", Class::Transient),
        (".", "554 5.6.0 unwanted", Class::Config),
        (".", "552 5.3.4 too large", Class::TooLarge),
        (".", "354 hm", Class::Ambiguous),
        (".", "what", Class::Ambiguous),
        ("MAIL", "what", Class::Transient),
    ] {
        let script = Script::new(Tls::Starttls).answers(to, Reply::Says(says));
        let host = MailHost::start(script).await;
        let email = email(&host, Tls::Starttls, &[FIRST], LONG);
        let error = tell(&email, &delivery("ticket.opened", 1)).await.expect_err(says);
        assert_eq!(error.class, class, "{to}: {says}: {error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
        assert_eq!(host.verbs().iter().filter(|it| *it == "MAIL").count().max(1), 1, "once");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_it_open_only_after_the_mail() {
    for (to, class) in [
        ("connect", Class::Transient),
        ("EHLO", Class::Transient),
        ("AUTH", Class::Transient),
        ("MAIL", Class::Transient),
        ("RCPT", Class::Transient),
        ("DATA", Class::Transient),
        (".", Class::Ambiguous),
    ] {
        for (reply, patience) in
            [(Reply::Closes, LONG), (Reply::Hangs, SHORT), (Reply::Floods, LONG)]
        {
            let host = MailHost::start(Script::new(Tls::None).answers(to, reply)).await;
            let email = email(&host, Tls::None, &[FIRST], patience);
            let error = tell(&email, &delivery("ticket.opened", 1)).await.expect_err(to);
            assert_eq!(error.class, class, "{to}, {reply:?}: {error}");
        }
    }
    let host = MailHost::start(Script::new(Tls::Starttls)).await;
    let email = email(&host, Tls::Starttls, &[FIRST], LONG);
    drop(host);
    let error = tell(&email, &delivery("ticket.opened", 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Transient, "nobody there: {error}");
    let unreadable = Delivery { body: "{}".to_owned(), ..delivery("ticket.opened", 1) };
    assert_eq!(tell(&email, &unreadable).await.unwrap_err().class, Class::Config);
}

#[tokio::test]
async fn what_was_taken_stands_though_the_goodbye_is_lost() {
    for reply in [Reply::Closes, Reply::Says("421 4.3.2 bye")] {
        let host = MailHost::start(Script::new(Tls::None).answers("QUIT", reply)).await;
        let email = email(&host, Tls::None, &[FIRST], LONG);
        tell(&email, &delivery("ticket.opened", 1)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_said_about_a_password_is_not_repeated() {
    let script = Script::new(Tls::Starttls)
        .answers("AUTH", Reply::Says("535 5.7.8 no: AHdhcmRlbgBzM2NyZXQgcMOkc3N3b3Jk"));
    let host = MailHost::start(script).await;
    let email = email(&host, Tls::Starttls, &[FIRST], LONG);
    let error = tell(&email, &delivery("ticket.opened", 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "ticket sink security answered 535 to the sign-in");
}

#[tokio::test]
async fn one_who_is_refused_does_not_keep_the_others_from_being_told() {
    let script =
        Script::new(Tls::None).answers("RCPT TO:<cso@", Reply::Says("550 5.1.1 nobody here"));
    let host = MailHost::start(script).await;
    let some = email(&host, Tls::None, &[FIRST, SECOND, THIRD], LONG);
    tell(&some, &delivery("ticket.opened", 1)).await.unwrap();
    assert_eq!(host.seen().mail.len(), 1);
    let alone = email(&host, Tls::None, &[SECOND], LONG);
    let error = tell(&alone, &delivery("ticket.opened", 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Config);
    assert!(error.to_string().contains(SECOND) && error.to_string().contains("nobody here"));
    assert_eq!(host.seen().mail.len(), 1);
}

#[tokio::test]
async fn one_who_is_refused_for_the_moment_is_told_later_and_the_others_once() {
    let script =
        Script::new(Tls::None).answers("RCPT TO:<cso@", Reply::Says("450 4.2.0 greylisted"));
    let host = MailHost::start(script).await;
    let email = email(&host, Tls::None, &[FIRST, SECOND, THIRD], LONG);
    for (attempts, waits) in [(0, true), (1, true), (2, false)] {
        let again = Delivery { attempts, ..delivery("ticket.opened", 1) };
        let told = tell(&email, &again).await;
        assert_eq!(told.is_err(), waits, "attempt {attempts}: {told:?}");
        if let Err(error) = told {
            assert_eq!(error.class, Class::Transient);
            assert!(error.to_string().contains(SECOND) && !error.to_string().contains(FIRST));
        }
    }
    let seen = host.seen();
    let named = |who: &str| seen.lines.iter().filter(|line| line.contains(who)).count();
    assert_eq!((named(FIRST), named(SECOND), named(THIRD)), (1, 3, 1));
    assert_eq!(seen.mail.len(), 1);
    // The next message is for everybody again.
    tell(&email, &Delivery { attempts: 2, ..delivery("ticket.updated", 2) }).await.unwrap();
    assert_eq!(host.seen().mail.len(), 2);
}

#[tokio::test]
async fn what_is_not_told_for_a_lost_connection_is_not_taken_for_refused() {
    let script =
        Script::new(Tls::None).answers("RCPT TO:<cso@", Reply::Says("450 4.2.0 greylisted"));
    let host = MailHost::start(script).await;
    let email = email(&host, Tls::None, &[FIRST, SECOND], LONG);
    assert!(tell(&email, &delivery("ticket.opened", 1)).await.is_err());
    drop(host);
    let again = Delivery { attempts: 5, ..delivery("ticket.opened", 1) };
    assert_eq!(tell(&email, &again).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn looking_beforehand_sends_no_mail() {
    let host = MailHost::start(Script::new(Tls::Starttls)).await;
    let seen = email(&host, Tls::Starttls, &[FIRST, SECOND], LONG).preflight().await.unwrap();
    assert!(seen.contains("2 recipients") && seen.contains("warden is signed in"), "{seen}");
    assert_eq!(
        host.verbs(),
        ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "RSET", "QUIT"]
    );
    assert!(host.seen().mail.is_empty());
    for (to, says, class) in [
        ("RCPT TO:<cso@", "550 5.1.1 nobody", Class::Config),
        ("AUTH", "535 5.7.8 no", Class::Auth),
        ("MAIL", "550 5.7.60 not as this one", Class::Config),
    ] {
        let host = MailHost::start(Script::new(Tls::Starttls).answers(to, Reply::Says(says))).await;
        let email = email(&host, Tls::Starttls, &[FIRST, SECOND], LONG);
        let error = email.preflight().await.unwrap_err();
        assert_eq!(error.class, class, "{to}: {error}");
        assert_eq!(error.to_string().contains(SECOND), class == Class::Config && to != "MAIL");
    }
}

#[test]
fn importance_is_the_policys_word_for_the_severity_or_by_the_severity_itself() {
    for (priority, severity, word) in [
        (None, Grave::Critical, "high"),
        (None, Grave::Medium, "normal"),
        (Some("low"), Grave::High, "low"),
        (Some("x\r\nBcc: x@y"), Grave::High, "high"),
    ] {
        let priority = priority.map(str::to_owned);
        let said = Said { severity, priority, ..said(MessageKind::Opened, 1) };
        let raw = written(&said, "warden@woodgrove.example");
        let mail = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(only(&mail, "Importance").as_deref(), Some(word));
        assert!(mail.bcc().is_none());
    }
}

fn written(said: &Said, from: &str) -> Vec<u8> {
    let address = |text: &str| serde_json::from_value::<EmailAddress>(json!(text)).unwrap();
    let body = delivery("ticket.opened", 1).body;
    mail::written(said, &body, &address(from), &[address(FIRST)]).unwrap()
}

fn check(title: &str, text: &str) {
    let footer = Block::Paragraph(vec![Span::Code(format!("{KEY} #2"))]);
    let said = Said {
        // As a title is made, of at most so many characters.
        title: crate::domain::text::one_line(title).chars().take(mail::TITLE_MAX).collect(),
        text: Document { blocks: vec![Block::Paragraph(vec![Span::text(text)]), footer] },
        ..said(MessageKind::Updated, 2)
    };
    let raw = written(&said, "warden@woodgrove.example");
    for (at, byte) in raw.iter().enumerate() {
        // Servers differ in what a bare one ends.
        match byte {
            b'\r' => assert_eq!(raw.get(at + 1), Some(&b'\n'), "{title:?}, {text:?}"),
            b'\n' => assert_eq!(raw[at - 1], b'\r', "{title:?}, {text:?}"),
            byte => assert!(byte.is_ascii() && *byte != 0, "{title:?}, {text:?}"),
        }
    }
    assert!(raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 79), "{title:?}");
    let mail = MessageParser::default().parse(&raw).unwrap();
    let mut names: Vec<&str> = mail.headers_raw().map(|it| it.0).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "Auto-Submitted",
            "Content-Type",
            "Date",
            "From",
            "Importance",
            "In-Reply-To",
            "MIME-Version",
            "Message-ID",
            "References",
            "Subject",
            "To",
            "X-Auto-Response-Suppress",
            "X-Partner-Warden-Ticket",
        ],
        "{title:?}"
    );
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(mail.subject().unwrap_or_default(), said.title);
    assert_eq!(mail.parts.len(), 3, "{text:?}");
    assert_eq!((mail.text_body_count(), mail.html_body_count()), (1, 1));
    let plain = mail.body_text(0).unwrap();
    assert!(plain.trim_end().ends_with(&format!("{KEY} #2")), "{plain:?}");
    let expected = crate::domain::markup::plain(&said.text);
    assert_eq!(squeezed(&plain), squeezed(&expected));
    for part in &mail.parts[1..] {
        assert!(part.attachment_name().is_none() && part.content_id().is_none());
    }
    assert!(mail.header(HeaderName::Bcc).is_none());
}

#[test]
fn strangers_add_neither_headers_nor_recipients_nor_parts() {
    for text in [
        "x\r\nBcc: evil@evil.example",
        "x\nSubject: other\n\nbody",
        "=?utf-8?q?=0D=0ABcc:_evil@evil.example?=",
        ".\r\nMAIL FROM:<evil@evil.example>\r\n",
        "\r\n.\r\n",
        &format!("\n--=_{KEY}-2--\n"),
        &format!("--=_{KEY}-2"),
        "ü\u{202e}\u{0}\r日本🙂",
        &"long ".repeat(400),
        &"x".repeat(3_000),
        "",
    ] {
        check(text, text);
    }
}

#[test]
fn a_key_that_is_none_is_not_written() {
    let key = TicketKey("pw1-\"\r\nBcc: x@y".to_owned());
    let said = Said { key, ..said(MessageKind::Opened, 1) };
    let address = serde_json::from_value::<EmailAddress>(json!(FIRST)).unwrap();
    let body = delivery("ticket.opened", 1).body;
    let error = mail::written(&said, &body, &address, std::slice::from_ref(&address)).unwrap_err();
    assert!(!error.contains("Bcc"), "{error}");
}

#[test]
fn a_long_domain_leaves_a_message_id_whole() {
    let domain = ["a"; 4].map(|label| label.repeat(50)).join(".");
    let raw = written(&said(MessageKind::Updated, 2), &format!("warden@{domain}"));
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.message_id(), Some(format!("{KEY}-2@{domain}").as_str()));
    assert_eq!(mail.in_reply_to().as_text(), Some(format!("{KEY}-1@{domain}").as_str()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_stays_a_text(title in any::<String>(), text in "(?s).{0,400}") {
        check(&title, &text);
    }
}
