//! The pages that people see. They need no script; every text goes through maud, which escapes it.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::domain::approval::{Answer, Decision, FoundLine, Proposal, Question, Standing};
use crate::domain::finding::{FindingName, Severity};

const STYLE: &str = include_str!("decisions.css");

/// By which the browser knows that the style sheet is ours.
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(Sha256::digest(STYLE)));

/// What the page has to know of the door.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Whether people sign in.
    pub(super) signs_in: bool,
    /// The sign-in's origin.
    pub(super) login: String,
}

/// What was said in a form that lacks something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) answer: Option<Answer>,
    pub(super) name: &'a str,
}

/// An answer that no cache keeps, no frame holds and no script runs in.
pub(super) fn answered(status: StatusCode, page: String, wanted: &Wanted) -> Response {
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    // Browsers hold the redirect that answers a form to `form-action` too.
    let sign_in = if wanted.signs_in { format!(" {}", wanted.login) } else { String::new() };
    let security = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'{sign_in}; base-uri 'none'; \
         frame-ancestors 'none'",
        *STYLE_HASH
    );
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let security = HeaderValue::from_str(&security)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, security);
    response
}

/// What is asked, or what became of it.
pub(super) fn asked(proposal: &Proposal, now: Timestamp, wanted: &Wanted) -> String {
    about(proposal, now, wanted, Said { answer: None, name: "" }, None)
}

/// What is asked, with what is missing in the answer.
pub(super) fn form_again(
    proposal: &Proposal,
    now: Timestamp,
    wanted: &Wanted,
    said: Said<'_>,
    missing: &str,
) -> String {
    about(proposal, now, wanted, said, Some(missing))
}

/// A page that leads nowhere, or back.
pub(super) fn refused(title: &str, text: &str, back: Option<&str>) -> String {
    document(
        title,
        &html! {
            header { h1 { (title) } }
            main {
                p { (text) }
                @if let Some(back) = back { p { a href=(back) { "Back to the decision" } } }
            }
        },
    )
}

fn document(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Partner Warden" }
                style { (PreEscaped(STYLE)) }
            }
            body { (content) footer.soft { p { "Partner Warden " (env!("CARGO_PKG_VERSION")) } } }
        }
    };
    page.into_string()
}

fn about(
    proposal: &Proposal,
    now: Timestamp,
    wanted: &Wanted,
    said: Said<'_>,
    missing: Option<&str>,
) -> String {
    let Question { tenant_name, partner, shown, .. } = &proposal.question;
    let standing = proposal.standing(now);
    let open = matches!(standing, Standing::Open | Standing::SecondWanted);
    let error = if missing.is_some() { "Error: " } else { "" };
    let title = format!("{error}{}: {} in {tenant_name}", headline(standing), partner.name);
    let [more_findings, more_steps, more_held] = shown.more;
    let content = html! {
        header {
            h1 { (headline(standing)) }
            p.lead { "What " strong { (partner.name) } " may do in " strong { (tenant_name) } }
        }
        main {
            @if let Some(missing) = missing {
                p.error id="missing" role="alert" { (missing) }
            }
            p class={ "verdict " (class(standing)) } { (verdict(proposal, standing)) }
            (facts(proposal, open))
            section aria-labelledby="found" {
                h2 id="found" { "What was found" }
                @for of in by_name(&shown.findings) {
                    div.found {
                        p {
                            span class={ "word " (of.severity.as_str()) } { (capital(of.severity.as_str())) }
                            " · " strong { (of.name) }
                        }
                        ul { @for text in of.texts { li { (text) } } }
                        p.soft { (of.name.rule().why) }
                    }
                }
                (more(more_findings))
            }
            section aria-labelledby="steps" {
                h2 id="steps" {
                    (if open { "What will happen if you approve" } else { "What it was about" })
                }
                ul {
                    @for step in &shown.steps {
                        li {
                            (capital(&step.summary))
                            @if let Some(why) = &step.cannot_be_undone {
                                br; strong { "Cannot be undone:" } " " (why)
                            }
                        }
                    }
                }
                (more(more_steps))
                @if open {
                    p.soft {
                        "All safeguards are checked once more first. Afterwards the tenant is read \
                         again until the access is seen to be gone, and the ticket says so."
                    }
                }
            }
            @if !shown.held.is_empty() {
                section aria-labelledby="held" {
                    h2 id="held" { "What is held back, and why" }
                    ul { @for held in &shown.held { li { (capital(&held.summary)) ": " (held.reason) } } }
                    (more(more_held))
                }
            }
            (decisions(proposal))
            @if open { (form(proposal, wanted, said, missing)) }
        }
    };
    document(&title, &content)
}

fn facts(proposal: &Proposal, open: bool) -> Markup {
    let Question { tenant, tenant_name, partner, asked_at, expires_at, .. } = &proposal.question;
    html! {
        dl {
            dt { "Partner" }
            dd {
                (partner.name)
                @if let Some(id) = partner.id { span.soft { " " (id) } }
                @if !partner.listed { " (not named by the policy)" }
            }
            dt { "Tenant" } dd { (tenant_name) span.soft { " " (tenant) } }
            dt { "Asked" } dd { (time(*asked_at)) }
            dt { (if open { "Answer until" } else { "Could be answered until" }) }
            dd { (time(*expires_at)) }
        }
    }
}

fn decisions(proposal: &Proposal) -> Markup {
    let people = proposal.question.people;
    let agreed = proposal.decisions.iter().filter(|it| it.decision == Answer::Approve).count();
    html! {
        section aria-labelledby="decisions" {
            h2 id="decisions" { "Decisions so far" }
            @if people > 1 { p { (agreed) " of " (people) " people have agreed." } }
            @if proposal.decisions.is_empty() { p { "Nobody has decided yet." } }
            ul { @for decision in &proposal.decisions { li { (did(decision)) } } }
        }
    }
}

fn did(decision: &Decision) -> Markup {
    let did = match decision.decision {
        Answer::Approve => "Approved by ",
        Answer::Refuse => "Refused by ",
    };
    html! { (did) (decision.who()) " at " (time(decision.at)) }
}

fn form(proposal: &Proposal, wanted: &Wanted, said: Said<'_>, missing: Option<&str>) -> Markup {
    let described = missing.map(|_| "missing");
    let first = proposal.question.people > 1 && proposal.decisions.is_empty();
    // Nothing is chosen beforehand, and no key sends an answer that was not chosen.
    html! {
        form method="post" aria-labelledby="decide" {
            h2 id="decide" { "Your decision" }
            fieldset aria-describedby=[described] {
                legend { "What do you decide?" }
                label.choice {
                    input type="radio" name="decision" value="approve" required
                        checked[said.answer == Some(Answer::Approve)];
                    span { strong { "Approve" } ": do what is listed above" @if first { ", once a second person agrees" } }
                }
                label.choice {
                    input type="radio" name="decision" value="refuse" required
                        checked[said.answer == Some(Answer::Refuse)];
                    span { strong { "Refuse" } ": leave everything as it is" }
                }
            }
            @if wanted.signs_in {
                p.soft { "You will be asked to sign in with Microsoft; your account is kept with what you decide." }
            } @else {
                div.field {
                    label for="name" { "Your name" }
                    input id="name" name="name" type="text" required maxlength="120"
                        autocomplete="name" value=(said.name) aria-describedby="name-note";
                    p.soft id="name-note" { "It is kept with what you decide, marked as not proven." }
                }
            }
            button type="submit" { (if wanted.signs_in { "Sign in and send decision" } else { "Send decision" }) }
        }
    }
}

fn headline(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "A decision is wanted",
        Standing::SecondWanted => "A second decision is wanted",
        Standing::Approved => "Approved",
        Standing::Refused => "Refused",
        Standing::Expired => "Too late",
        Standing::Void => "No longer to be decided",
    }
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Open | Standing::SecondWanted => "open",
        Standing::Approved => "good",
        Standing::Refused | Standing::Expired | Standing::Void => "over",
    }
}

fn verdict(proposal: &Proposal, standing: Standing) -> String {
    let people = proposal.question.people;
    match standing {
        Standing::Open if people > 1 => {
            format!("Nothing is changed before {people} different people have agreed.")
        }
        Standing::Open => "Nothing is changed before a person has agreed.".to_owned(),
        Standing::SecondWanted => {
            format!("1 of {people} people has agreed; a second, different person has to.")
        }
        Standing::Approved => match proposal.begun_at {
            Some(at) => {
                format!(
                    "It is being carried out since {}; the ticket tells how it goes.",
                    minute(at)
                )
            }
            None => {
                "It is carried out with the next look at the tenant, if all is still as it was \
                     then; the ticket tells how it goes."
                    .to_owned()
            }
        },
        Standing::Refused => "Nothing is changed.".to_owned(),
        Standing::Expired => {
            "Not enough people answered in time; nothing is decided here any more. Look into the \
             ticket for a newer link."
                .to_owned()
        }
        Standing::Void => {
            let why = proposal.void.as_ref().map_or("", |void| void.why.as_str());
            format!("{}. Look into the ticket for a newer link.", capital(why))
        }
    }
}

fn more(more: usize) -> Markup {
    html! { @if more > 0 { p { "And " (more) " more." } } }
}

/// The findings of one name.
struct OfName<'a> {
    name: FindingName,
    severity: Severity,
    texts: Vec<&'a str>,
}

/// The findings by name, in their order, so that why it matters is said once.
fn by_name(findings: &[FoundLine]) -> Vec<OfName<'_>> {
    let mut all: Vec<OfName<'_>> = Vec::new();
    for FoundLine { finding: name, severity, text } in findings {
        match all.iter_mut().find(|of| of.name == *name && of.severity == *severity) {
            Some(of) => of.texts.push(text),
            None => all.push(OfName { name: *name, severity: *severity, texts: vec![text] }),
        }
    }
    all
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + chars.as_str()
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%MZ")) { (minute(at)) } }
}
