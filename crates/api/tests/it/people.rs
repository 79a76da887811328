//! Contacts, privacy and profiles over HTTP, and what their answers do not tell.

use crate::bed::*;
use http::{Method, StatusCode};
use sotto_types::{AccountId, ErrorCode};
use sotto_wire::http::{self as body, Audience};

/// Everything of an answer that a client sees.
fn seen(reply: &Reply) -> (StatusCode, Vec<(String, String)>, Vec<u8>) {
    let headers = reply.headers.iter().map(|(name, value)| (name.to_string(), format!("{value:?}")));
    (reply.status, headers.collect(), reply.bytes.clone())
}

fn all_the_same(replies: &[Reply]) {
    let [first, others @ ..] = replies else { panic!("nothing to compare") };
    for other in others {
        assert_eq!(seen(other), seen(first));
    }
}

fn profile(version: u64, key_id: u8) -> body::Profile {
    body::Profile { version, key_id: format!("{key_id:02x}").repeat(16), ciphertext: b"sealed".to_vec().into() }
}

impl Bed {
    async fn call(&self, token: &str, method: Method, path: &str) -> Reply {
        self.send(bare(method, path, Some(token))).await
    }
}

#[tokio::test]
async fn contacts_are_made_and_unmade_and_the_answer_tells_nothing() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = [bed.register("ann").await, bed.register("bob").await, bed.register("cleo").await];
    let (token, of_cleo) = (bed.token(&ann, 0).await, bed.token(&cleo, 0).await);
    let block = bed.call(&of_cleo, Method::PUT, &format!("/v1/blocks/{}", ann.account)).await;
    assert_eq!(block.status, StatusCode::NO_CONTENT);
    let nobody = AccountId::from_bytes(rand::random());
    for method in [Method::PUT, Method::PUT, Method::DELETE, Method::DELETE, Method::PUT] {
        let mut replies = Vec::new();
        for account in [bob.account, cleo.account, nobody] {
            replies.push(bed.call(&token, method.clone(), &format!("/v1/contacts/{account}")).await);
        }
        assert_eq!(replies[0].status, StatusCode::NO_CONTENT);
        all_the_same(&replies);
    }
    let listed: body::Contacts = bed.get(&token, "/v1/contacts").await.json();
    let mut all = vec![bob.account, cleo.account, nobody];
    all.sort();
    assert_eq!(listed.accounts, all);
    for wrong in [ann.account.to_string(), "x".into(), AccountId::from_bytes([0; 16]).to_string()] {
        let refused = bed.call(&token, Method::PUT, &format!("/v1/contacts/{wrong}")).await.problem();
        assert_eq!(refused.code, ErrorCode::BadRequest.number(), "{wrong}");
    }
    let anonymous = bed.send(bare(Method::GET, "/v1/contacts", None)).await.problem();
    assert_eq!(anonymous.code, ErrorCode::TokenInvalid.number());
}

#[tokio::test]
async fn settings_are_replaced_from_the_version_they_were_read_at() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await;
    let first: body::Privacy = bed.get(&token, "/v1/privacy").await.json();
    let rule = |audience| body::PrivacyRule { audience, except: Vec::new() };
    let by_default = body::Privacy {
        version: 0,
        last_seen: rule(Audience::Contacts),
        online: Audience::Contacts,
        picture: rule(Audience::Everyone),
        about: rule(Audience::Everyone),
        read_receipts: Audience::Everyone,
        group_adds: rule(Audience::Everyone),
    };
    assert_eq!(first, by_default);
    let wanted = body::Privacy { online: Audience::Nobody, ..first };
    for _ in 0..2 {
        let now: body::Privacy = bed.as_device(&token, Method::PUT, "/v1/privacy", &wanted).await.json();
        assert_eq!(now, body::Privacy { version: 1, ..wanted.clone() });
    }
    let late = body::Privacy { online: Audience::Contacts, ..wanted.clone() };
    let conflict = bed.as_device(&token, Method::PUT, "/v1/privacy", &late).await.problem();
    assert_eq!(conflict.code, ErrorCode::PrivacyConflict.number());
    assert_eq!(conflict.privacy, Some(body::Privacy { version: 1, ..wanted.clone() }));
    let mut unknown = value(&late);
    unknown["online"] = "friends".into();
    let refused = bed.as_device(&token, Method::PUT, "/v1/privacy", &unknown).await.problem();
    assert_eq!(refused.code, ErrorCode::BadRequest.number());
    let except = (0..257).map(|_| AccountId::from_bytes(rand::random())).collect();
    let about = body::PrivacyRule { audience: Audience::Everyone, except };
    let many = body::Privacy { version: 1, about, ..late };
    let refused = bed.as_device(&token, Method::PUT, "/v1/privacy", &many).await.problem();
    assert_eq!(refused.code, ErrorCode::BadRequest.number(), "{}", refused.detail);
}

#[tokio::test]
async fn a_profile_is_had_by_its_key_alone() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = [bed.register("ann").await, bed.register("bob").await, bed.register("cleo").await];
    let (token, of_bob) = (bed.token(&ann, 0).await, bed.token(&bob, 0).await);
    let of_cleo = bed.token(&cleo, 0).await;
    for token in [&token, &of_cleo] {
        let put = bed.as_device(token, Method::PUT, "/v1/profile", &profile(3, 0xab)).await;
        assert_eq!(put.status, StatusCode::NO_CONTENT);
    }
    bed.call(&of_cleo, Method::PUT, &format!("/v1/blocks/{}", bob.account)).await;
    let at = |account: AccountId, key: u8| {
        format!("/v1/accounts/{account}/profile?key_id={}", format!("{key:02x}").repeat(16))
    };
    let shown: body::Profile = bed.get(&of_bob, &at(ann.account, 0xab)).await.json();
    assert_eq!(shown, profile(3, 0xab));
    assert_eq!(bed.get(&token, "/v1/profile").await.json::<body::Profile>(), profile(3, 0xab));
    let nobody = AccountId::from_bytes(rand::random());
    let mut replies = Vec::new();
    for (account, key) in [(ann.account, 0xac), (bob.account, 0xab), (cleo.account, 0xab), (nobody, 0xab)] {
        replies.push(bed.get(&of_bob, &at(account, key)).await);
    }
    assert_eq!(replies[0].problem().code, ErrorCode::NotFound.number());
    all_the_same(&replies);
    for query in ["", "?key_id=", "?key_id=abcd", &format!("?key_id={}", "zz".repeat(16))] {
        let refused = bed.get(&of_bob, &format!("/v1/accounts/{}/profile{query}", ann.account)).await.problem();
        assert_eq!(refused.code, ErrorCode::BadRequest.number(), "{query}");
    }
    let older = bed.as_device(&token, Method::PUT, "/v1/profile", &profile(2, 0xab)).await.problem();
    assert_eq!(older.code, ErrorCode::ProfileConflict.number());
    let largest = body::Profile { ciphertext: vec![7; 66 * 1024].into(), ..profile(4, 0xab) };
    assert_eq!(bed.as_device(&token, Method::PUT, "/v1/profile", &largest).await.status, StatusCode::NO_CONTENT);
    let larger = body::Profile { ciphertext: vec![7; 66 * 1024 + 1].into(), ..profile(5, 0xab) };
    let refused = bed.as_device(&token, Method::PUT, "/v1/profile", &larger).await.problem();
    assert_eq!(refused.code, ErrorCode::TooLarge.number());
}

#[tokio::test]
async fn a_report_is_taken_whoever_it_is_about() {
    let bed = Bed::new().await;
    let [ann, bob] = [bed.register("ann").await, bed.register("bob").await];
    let token = bed.token(&ann, 0).await;
    let message = |len| body::ReportedMessage { sent_at_ms: 1, text: "x".repeat(len) };
    let report = body::Report {
        account: bob.account,
        reason: body::ReportReason::Abuse,
        comment: "é".repeat(2_000),
        messages: vec![message(4 * 1024); 20],
    };
    let of_nobody = body::Report { account: AccountId::from_bytes(rand::random()), ..report.clone() };
    let mut replies = Vec::new();
    for report in [&report, &of_nobody] {
        replies.push(bed.as_device(&token, Method::POST, "/v1/reports", report).await);
    }
    assert_eq!(replies[0].status, StatusCode::NO_CONTENT);
    all_the_same(&replies);
    assert_eq!(bed.domain.reports(0, 10).await.unwrap().len(), 2);
    let mut unknown = value(&report);
    unknown["reason"] = "boring".into();
    let large = body::Report { messages: vec![message(4 * 1024 + 1)], ..report.clone() };
    let own = body::Report { account: ann.account, ..report };
    for (wrong, want) in
        [(unknown, ErrorCode::BadRequest), (value(&large), ErrorCode::TooLarge), (value(&own), ErrorCode::BadRequest)]
    {
        let refused = bed.as_device(&token, Method::POST, "/v1/reports", &wrong).await.problem();
        assert_eq!(refused.code, want.number(), "{}", refused.detail);
    }
}
