//! Promises of `MetaStore`.

use super::Subject;
use crate::{EntryFeed, NoFeed};
use bytes::Bytes;
use std::sync::Arc;
use tokio::task::JoinSet;

pub async fn values_are_put_and_replaced(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let meta = make(Arc::new(NoFeed)).meta;
    assert_eq!(meta.get("a").await.unwrap(), None);
    for value in ["one", "two", ""] {
        meta.put("a", Bytes::from(value)).await.unwrap();
        assert_eq!(meta.get("a").await.unwrap(), Some(Bytes::from(value)));
    }
    assert_eq!(meta.get("generation").await.unwrap(), None);
    assert_eq!(meta.put_new("a", Bytes::from("x")).await.unwrap(), Bytes::new(), "even an empty value is there");
}

pub async fn of_racing_new_values_one_is_agreed_on(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let subject = make(Arc::new(NoFeed));
    let mut tasks = JoinSet::new();
    for n in 0..20u8 {
        let meta = subject.meta.clone();
        tasks.spawn(async move { meta.put_new("key", Bytes::from(vec![n])).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    let stored = subject.meta.get("key").await.unwrap().unwrap();
    assert!(answers.iter().all(|answer| *answer == stored), "{answers:?}");
}

pub async fn the_first_generation_is_one(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    assert_eq!(make(Arc::new(NoFeed)).meta.generation().await.unwrap(), 1);
}
