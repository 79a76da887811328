//! Records of settings, profiles and reports; see `records`.

use crate::codec::{Reader, V1, Write};
use bytes::Bytes;
use sotto_ports::{
    Audience, NewReport, Privacy, PrivacyRule, Profile, Report, ReportReason, ReportSummary, ReportedMessage,
    Resolution, StoreError,
};
use sotto_types::{ProfileKeyId, Secret};

fn audience_number(audience: Audience) -> u8 {
    match audience {
        Audience::Everyone => 1,
        Audience::Contacts => 2,
        Audience::Nobody => 3,
    }
}

fn audience(r: &mut Reader) -> Result<Audience, StoreError> {
    match r.u8()? {
        1 => Ok(Audience::Everyone),
        2 => Ok(Audience::Contacts),
        3 => Ok(Audience::Nobody),
        _ => Err(r.wrong()),
    }
}

fn put_rule(out: &mut Vec<u8>, rule: &PrivacyRule) {
    let count = u16::try_from(rule.except.len()).expect("a rule has at most 256 exceptions");
    out.u8(audience_number(rule.audience)).u16(count);
    for account in &rule.except {
        out.put(account.as_bytes());
    }
}

fn rule(r: &mut Reader) -> Result<PrivacyRule, StoreError> {
    let audience = audience(r)?;
    let count = r.u16()?;
    let except = (0..count).map(|_| r.account()).collect::<Result<_, _>>()?;
    Ok(PrivacyRule { audience, except })
}

pub fn put_privacy(privacy: &Privacy) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    out.u8(V1).u32(privacy.version);
    put_rule(&mut out, &privacy.last_seen);
    out.u8(audience_number(privacy.online));
    put_rule(&mut out, &privacy.picture);
    put_rule(&mut out, &privacy.about);
    out.u8(audience_number(privacy.read_receipts));
    put_rule(&mut out, &privacy.group_adds);
    out
}

pub fn privacy(record: &[u8]) -> Result<Privacy, StoreError> {
    let mut r = Reader::v1(record, "privacy record")?;
    let privacy = Privacy {
        version: r.u32()?,
        last_seen: rule(&mut r)?,
        online: audience(&mut r)?,
        picture: rule(&mut r)?,
        about: rule(&mut r)?,
        read_receipts: audience(&mut r)?,
        group_adds: rule(&mut r)?,
    };
    r.end()?;
    Ok(privacy)
}

pub fn put_profile(profile: &Profile) -> Vec<u8> {
    let mut out = Vec::with_capacity(profile.ciphertext.len() + 32);
    out.u8(V1).u64(profile.version).put(profile.key_id.as_bytes()).put(&profile.ciphertext);
    out
}

pub fn profile(record: &[u8]) -> Result<Profile, StoreError> {
    let mut r = Reader::v1(record, "profile record")?;
    Ok(Profile {
        version: r.u64()?,
        key_id: ProfileKeyId::from_bytes(r.array()?),
        ciphertext: Bytes::copy_from_slice(r.rest()),
    })
}

pub fn put_report_summary(summary: &ReportSummary) -> Vec<u8> {
    let reason = match summary.reason {
        ReportReason::Spam => 1,
        ReportReason::Abuse => 2,
        ReportReason::Other => 3,
    };
    let mut out = Vec::with_capacity(64);
    out.u8(V1).time(summary.at).put(summary.reporter.as_bytes()).put(summary.account.as_bytes());
    out.u8(reason).flag(summary.is_resolved);
    out
}

pub fn report_summary(id: u64, record: &[u8]) -> Result<ReportSummary, StoreError> {
    let mut r = Reader::v1(record, "report")?;
    let (at, reporter, account) = (r.time()?, r.account()?, r.account()?);
    let reason = match r.u8()? {
        1 => ReportReason::Spam,
        2 => ReportReason::Abuse,
        3 => ReportReason::Other,
        _ => return Err(r.wrong()),
    };
    let is_resolved = r.flag()?;
    r.end()?;
    Ok(ReportSummary { id, at, reporter, account, reason, is_resolved })
}

pub fn put_report_text(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    let NewReport { comment, messages, .. } = &report.report;
    out.u8(V1).bytes(comment.expose().as_bytes());
    out.u16(u16::try_from(messages.len()).expect("a report has at most 20 messages"));
    for message in messages {
        out.time(message.sent_at).bytes(message.text.expose().as_bytes());
    }
    match &report.resolved {
        None => out.u8(0),
        Some(Resolution { at, note }) => out.u8(1).time(*at).bytes(note.expose().as_bytes()),
    };
    out
}

pub fn report_text(summary: &ReportSummary, record: &[u8]) -> Result<Report, StoreError> {
    let mut r = Reader::v1(record, "report text")?;
    let comment = text(&mut r)?;
    let mut messages = Vec::new();
    for _ in 0..r.u16()? {
        messages.push(ReportedMessage { sent_at: r.time()?, text: text(&mut r)? });
    }
    let resolved = if r.flag()? { Some(Resolution { at: r.time()?, note: text(&mut r)? }) } else { None };
    r.end()?;
    let ReportSummary { id, at, reporter, account, reason, .. } = *summary;
    Ok(Report { id, report: NewReport { at, reporter, account, reason, comment, messages }, resolved })
}

fn text(r: &mut Reader) -> Result<Secret<String>, StoreError> {
    String::from_utf8(r.bytes()?.into()).map(Secret::new).map_err(|_| r.wrong())
}
