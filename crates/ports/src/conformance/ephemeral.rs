//! Promises of `EphemeralStore`. Each test says how many values its store must hold.

use super::world::T0;
use crate::{EphemeralStore, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

pub async fn a_value_lives_until_its_expiry(make: impl FnOnce(usize) -> Arc<dyn EphemeralStore>) {
    let store = make(8);
    let end = T0.plus(Duration::from_secs(60));
    let almost = end.minus(Duration::from_millis(1));
    assert!(store.put_new(b"k", value("v"), end, T0).await.unwrap());
    assert!(!store.put_new(b"k", value("w"), end, almost).await.unwrap());
    assert_eq!(store.get(b"k", almost).await.unwrap(), Some(value("v")));
    assert_eq!(store.get(b"k", end).await.unwrap(), None);
    assert_eq!(store.take(b"k", end).await.unwrap(), None);
    assert!(store.put_new(b"k", value("again"), end.plus(Duration::from_secs(9)), end).await.unwrap());
    assert_eq!(store.take(b"k", end).await.unwrap(), Some(value("again")));
    assert_eq!(store.take(b"k", end).await.unwrap(), None);
}

pub async fn replacing_keeps_the_expiry(make: impl FnOnce(usize) -> Arc<dyn EphemeralStore>) {
    let store = make(8);
    let end = T0.plus(Duration::from_secs(60));
    assert!(!store.replace(b"k", value("v"), T0).await.unwrap());
    store.put_new(b"k", value("v"), end, T0).await.unwrap();
    assert!(store.replace(b"k", value("w"), T0).await.unwrap());
    assert_eq!(store.get(b"k", T0).await.unwrap(), Some(value("w")));
    assert!(!store.replace(b"k", value("x"), end).await.unwrap());
    assert_eq!(store.get(b"k", end).await.unwrap(), None);
}

pub async fn of_racing_takers_one_gets_it(make: impl FnOnce(usize) -> Arc<dyn EphemeralStore>) {
    let store = make(8);
    store.put_new(b"k", value("v"), T0.plus(Duration::from_secs(60)), T0).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks.spawn(async move { store.take(b"k", T0).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().flatten().count(), 1);
}

pub async fn of_racing_putters_one_succeeds(make: impl FnOnce(usize) -> Arc<dyn EphemeralStore>) {
    let store = make(8);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks
            .spawn(async move { store.put_new(b"k", value("v"), T0.plus(Duration::from_secs(60)), T0).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|put| *put).count(), 1);
}

pub async fn a_full_store_keeps_what_it_has(make: impl FnOnce(usize) -> Arc<dyn EphemeralStore>) {
    let store = make(4);
    let end = T0.plus(Duration::from_secs(60));
    for n in 0..4u8 {
        assert!(store.put_new(&[n], value("v"), end, T0).await.unwrap());
    }
    let full = store.put_new(b"one more", value("v"), end, T0).await;
    assert!(matches!(full, Err(StoreError::Overloaded)), "{full:?}");
    for n in 0..4u8 {
        assert_eq!(store.get(&[n], T0).await.unwrap(), Some(value("v")));
    }
    store.take(&[0], T0).await.unwrap();
    assert!(store.put_new(b"one more", value("v"), end, T0).await.unwrap(), "a taken value makes room");
    assert!(
        store.put_new(b"later", value("v"), end.plus(Duration::from_secs(9)), end).await.unwrap(),
        "so do expired ones"
    );
}
