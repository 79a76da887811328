//! report: what a person tells the server's operator about somebody.

use super::confirm;
use super::contacts::name_of;
use super::people::person;
use crate::args::people::{Reason, Report};
use crate::failure::Failure;
use crate::session::Session;
use crate::text::clean_line;
use crate::ticks::one_line;
use crate::tui::shorten;
use sotto_engine::api::{Command, MessageView, Reply, ReportReason, Who};

const SHOWN: usize = 60;

pub const fn reason(reason: Reason) -> ReportReason {
    match reason {
        Reason::Spam => ReportReason::Spam,
        Reason::Abuse => ReportReason::Abuse,
        Reason::Other => ReportReason::Other,
    }
}

pub async fn run(session: &Session, args: Report) -> Result<(), Failure> {
    let contact = session.contact(person(&args.name)?).await?;
    let who = Who::Account(contact.account);
    let name = name_of(&contact);
    let messages = session.messages(&args.messages).await?;
    if let Some(other) = messages.iter().find(|message| message.from != contact.account) {
        let text = format!("{:?} is not a message of {name}: a report shows theirs only", one_line(other));
        return Err(Failure::usage(text));
    }
    let server = match session.ask(Command::WhoAmI).await? {
        Reply::Me { me } => clean_line(&me.server),
        _ => return Err(Failure::unexpected()),
    };
    session
        .out
        .note(format!("The operator of {server} reads it as your word, which nothing proves; {}", shown(&messages)));
    for message in &messages {
        session.out.note(format!("  {}", shorten(&one_line(message), SHOWN)));
    }
    let question = format!("Report {name}? They are not told.");
    confirm(session, &args.sure, "a report cannot be taken back", &question)?;
    let messages = messages.iter().map(MessageView::reference).collect();
    let command = Command::Report { who: who.clone(), reason: reason(args.reason), comment: args.comment, messages };
    let reply = session.ask(command).await?;
    let mut done = format!("{name} is reported to the operator of {server}");
    if args.block {
        session.ask(Command::SetBlocked { who, blocked: true }).await?;
        done += ", and blocked";
    }
    session.show(&reply, |out| out.line(format!("{done}.")))
}

fn shown(messages: &[MessageView]) -> String {
    match messages.len() {
        0 => "no message is shown to them (--message names some).".into(),
        1 => "1 message is shown to them in clear:".into(),
        n => format!("{n} messages are shown to them in clear:"),
    }
}
