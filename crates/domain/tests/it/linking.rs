use crate::bed::*;
use bytes::Bytes;
use sotto_domain::*;
use sotto_ports::DirectoryStore;
use sotto_types::{ErrorCode, limits};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_waiting_poll_is_woken_by_the_answer() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let session = bed.domain.open_link(ip()).await.unwrap();
    assert_eq!(bed.domain.poll_link(&session.link, Duration::ZERO, ip()).await.unwrap(), None);
    let polls = (0..3).map(|_| {
        let (domain, link) = (bed.domain.clone(), session.link.clone());
        tokio::spawn(async move { domain.poll_link(&link, WAIT, ip()).await.unwrap() })
    });
    let polls: Vec<_> = polls.collect();
    // Whether a poll looks before or after the answer, it must see it, long before the wait is over.
    tokio::task::yield_now().await;
    bed.domain.answer_link(&who, &session.link, Bytes::from_static(b"sealed")).await.unwrap();
    for poll in polls {
        let answer = tokio::time::timeout(Duration::from_secs(5), poll).await.expect("woken at once").unwrap();
        assert_eq!(answer.unwrap(), &b"sealed"[..]);
    }
    let again = bed.domain.poll_link(&session.link, WAIT, ip()).await.unwrap();
    assert_eq!(again.unwrap(), &b"sealed"[..], "a lost answer may be asked for again");
}

#[tokio::test]
async fn a_session_is_answered_once_and_ends() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let session = bed.domain.open_link(ip()).await.unwrap();
    let answer = |link: &str, bytes: Vec<u8>| {
        let (domain, link) = (bed.domain.clone(), link.to_owned());
        async move { domain.answer_link(&who, &link, bytes.into()).await }
    };
    assert_eq!(code(answer(&session.link, Vec::new()).await), ErrorCode::BadRequest);
    assert_eq!(code(answer(&session.link, vec![0; 8193]).await), ErrorCode::TooLarge);
    assert_eq!(code(answer("short", vec![1]).await), ErrorCode::LinkExpired);
    assert_eq!(code(answer(&"x".repeat(32), vec![1]).await), ErrorCode::LinkExpired);
    answer(&session.link, vec![1]).await.unwrap();
    answer(&session.link, vec![1]).await.expect("the same again");
    assert_eq!(code(answer(&session.link, vec![2]).await), ErrorCode::BadRequest);
    bed.clock.set(session.expires);
    assert_eq!(code(bed.domain.poll_link(&session.link, WAIT, ip()).await), ErrorCode::LinkExpired);
    assert_eq!(code(answer(&session.link, vec![1]).await), ErrorCode::LinkExpired);
}

#[tokio::test]
async fn waiting_polls_are_bounded() {
    let bed = Bed::with(DomainConfig { link_waiters_max: 1, ..open() }).await;
    let (one, two) = (bed.domain.open_link(ip()).await.unwrap(), bed.domain.open_link(ip()).await.unwrap());
    let (domain, link) = (bed.domain.clone(), one.link.clone());
    let waiting = tokio::spawn(async move { domain.poll_link(&link, WAIT, ip()).await });
    let refused = loop {
        // Until the spawned poll holds the only place.
        match bed.domain.poll_link(&two.link, Duration::ZERO, ip()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((refused.code, refused.retry_after), (ErrorCode::Unavailable, Some(Duration::from_secs(5))));
    waiting.abort();
    waiting.await.unwrap_err();
    bed.domain.poll_link(&two.link, Duration::ZERO, ip()).await.expect("an abandoned poll leaves its place");
}

#[tokio::test]
async fn a_link_code_adds_one_device_once() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let link_code = bed.domain.make_link_code(&who).await.unwrap();
    assert_eq!((link_code.device, link_code.expires), (dev(2), bed.now().plus(limits::LINK)));
    ann.devices.push(TestDevice::new(dev(2)));
    ann.version = 2;
    let addition = ann.addition(1, link_code.link_code);
    let added = bed.domain.add_device(addition.clone(), ip()).await.unwrap();
    assert_eq!((added.device, added.username.as_str()), (dev(2), "ann"));
    assert!(bed.connections.drain().contains(&Told::Changed {
        to: ann.address(0),
        account: ann.account,
        version: 2,
        low: false
    }));

    // The same request again (its answer was lost) gets the same answer; another use of the code does not.
    assert_eq!(bed.domain.add_device(addition.clone(), ip()).await.unwrap(), added);
    ann.devices.push(TestDevice::new(dev(3)));
    ann.version = 3;
    let mut second = ann.addition(1, addition.link_code.clone());
    assert_eq!(code(bed.domain.add_device(second.clone(), ip()).await), ErrorCode::LinkCodeInvalid);
    second.device = dev(3);
    assert_eq!(code(bed.domain.add_device(second, ip()).await), ErrorCode::LinkCodeInvalid);
    assert_eq!(bed.version_of(&ann).await, 2);
}

#[tokio::test]
async fn a_link_code_is_worth_as_much_as_its_maker() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let thief = bed.link(&mut ann).await;
    let stolen = bed.domain.make_link_code(&thief).await.unwrap();
    let own = bed.sign_in(&ann, 0).await;
    bed.domain.remove_device(&own, thief.address.device, ann.list_without(1)).await.unwrap();
    ann.devices[1] = TestDevice::new(stolen.device);
    ann.version += 2;
    let addition = ann.addition(1, stolen.link_code);
    assert_eq!(code(bed.domain.add_device(addition, ip()).await), ErrorCode::LinkCodeInvalid);
    assert_eq!(bed.store.devices(ann.account).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_addition_is_refused_and_leaves_the_code_good() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let bob = bed.register("bob").await;
    bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    let code_of = bed.domain.make_link_code(&who).await.unwrap();
    ann.devices.push(TestDevice::new(dev(3)));
    ann.version = 3;
    let good = ann.addition(2, code_of.link_code);
    type Spoil = fn(&mut AddDevice, &Person, &Person);
    let table: &[(&str, Spoil, ErrorCode)] = &[
        ("code", |a, _, _| a.link_code.push('x'), ErrorCode::LinkCodeInvalid),
        ("no code", |a, _, _| a.link_code.clear(), ErrorCode::LinkCodeInvalid),
        ("device id", |a, _, _| a.device = dev(4), ErrorCode::LinkCodeInvalid),
        ("account", |a, _, bob| a.account = bob.account, ErrorCode::LinkCodeInvalid),
        (
            "old version",
            |a, ann, _| a.list = ann.list_of(2, &ann.devices.iter().collect::<Vec<_>>()),
            ErrorCode::ListVersionConflict,
        ),
        ("drops one", |a, ann, _| a.list = ann.list_of(3, &[&ann.devices[0], &ann.devices[2]]), ErrorCode::ListInvalid),
        (
            "adds another",
            |a, ann, _| {
                let [one, two, three] = &ann.devices[..] else { unreachable!() };
                a.list = ann.list_of(3, &[one, two, three, &TestDevice::new(dev(4))]);
            },
            ErrorCode::ListInvalid,
        ),
        (
            "alters one",
            |a, ann, _| a.list = ann.list_of(3, &[&ann.devices[0], &TestDevice::new(dev(2)), &ann.devices[2]]),
            ErrorCode::ListInvalid,
        ),
        (
            "another identity",
            |a, ann, bob| a.list = sign(&bob.identity, ann.account, 3, &ann.devices.iter().collect::<Vec<_>>()),
            ErrorCode::ListSignatureInvalid,
        ),
        ("keys of another", |a, _, bob| a.keys = bob.keys(), ErrorCode::KeyRejected),
        ("large name", |a, _, _| a.encrypted_name = vec![0; 300].into(), ErrorCode::TooLarge),
    ];
    for (name, spoil, want) in table {
        let mut addition = good.clone();
        spoil(&mut addition, &ann, &bob);
        assert_eq!(code(bed.domain.add_device(addition, ip()).await), *want, "{name}");
    }
    assert_eq!(bed.version_of(&ann).await, 2);
    bed.domain.add_device(good, ip()).await.unwrap();
}

#[tokio::test]
async fn link_codes_expire_and_a_conflict_gives_them_back() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    // Two codes for the same id: the first to be used wins, the other's list is old then.
    let codes = [bed.domain.make_link_code(&who).await.unwrap(), bed.domain.make_link_code(&who).await.unwrap()];
    assert_eq!(codes[0].device, codes[1].device);
    ann.devices.push(TestDevice::new(dev(2)));
    ann.version = 2;
    let additions = codes.clone().map(|code| ann.addition(1, code.link_code));
    let [a, b] = additions;
    let (a, b) = tokio::join!(bed.domain.add_device(a, ip()), bed.domain.add_device(b, ip()));
    assert_eq!([&a, &b].iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(a.err().or(b.err()).unwrap().code, ErrorCode::ListVersionConflict);

    let late = bed.domain.make_link_code(&who).await.unwrap();
    bed.clock.set(late.expires);
    ann.devices.push(TestDevice::new(late.device));
    ann.version = 3;
    assert_eq!(code(bed.domain.add_device(ann.addition(2, late.link_code), ip()).await), ErrorCode::LinkCodeInvalid);
}
