//! Objects: replay, conflict, order of arrival, files put by hand.

use super::*;
use crate::service::local::tests::clock;

fn open(dir: &Path) -> LocalObjects {
    LocalObjects::open(dir, true, clock(), &Default::default()).unwrap()
}

async fn put(objects: &LocalObjects, key: &str, content: &str) -> Result<Put, Fault> {
    objects.put("b", key, Bytes::copy_from_slice(content.as_bytes())).await
}

async fn keys(objects: &LocalObjects, prefix: &str, from: u64) -> (Vec<(u64, String)>, u64) {
    let listed = objects.list("b", prefix, from, 100).await.unwrap();
    let keys = listed.objects.into_iter().map(|info| (info.seq, info.key)).collect();
    (keys, listed.next)
}

#[tokio::test]
async fn the_same_object_again_is_a_replay_and_another_a_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    assert_eq!(put(&objects, "2010/12/a.txt", "one").await, Ok(Put::Stored));
    assert_eq!(put(&objects, "2010/12/a.txt", "one").await, Ok(Put::AlreadyStored));
    let fault = put(&objects, "2010/12/a.txt", "two").await.unwrap_err();
    assert_eq!(fault.code, "object_conflict");
    assert_eq!(put(&objects, "2010/12/a.txt", "onE").await.unwrap_err().code, "object_conflict");
    assert_eq!(put(&objects, "2010/12", "x").await.unwrap_err().code, "object_key");
    assert_eq!(put(&objects, "2010/12/a.txt/b", "x").await.unwrap_err().code, "object_key");
    assert_eq!(put(&objects, "../a", "x").await.unwrap_err().code, "object_key");
    assert_eq!(fs::read(dir.path().join("s3/b/2010/12/a.txt")).unwrap(), b"one");
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_reader_gets_each_object_once_in_order_of_arrival() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    put(&objects, "z", "1").await.unwrap();
    let by_hand = dir.path().join("s3/b/hand/made");
    fs::create_dir_all(by_hand.parent().unwrap()).unwrap();
    fs::write(&by_hand, "by hand").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    File::options().write(true).open(&by_hand).unwrap().set_modified(later).unwrap();
    let (first, next) = keys(&objects, "", 0).await;
    assert_eq!(first, [(0, "z".into()), (1, "hand/made".into())]);
    put(&objects, "c", "3").await.unwrap();
    put(&objects, "a", "4").await.unwrap();
    put(&objects, "c", "3").await.unwrap();
    assert_eq!(keys(&objects, "", next).await, (vec![(2, "c".into()), (3, "a".into())], 4));
    drop(objects);
    // Put while nothing ran.
    fs::write(dir.path().join("s3/b/late"), "late").unwrap();
    let objects = open(dir.path());
    assert_eq!(keys(&objects, "", 3).await, (vec![(3, "a".into()), (4, "late".into())], 5));
}

#[tokio::test]
async fn a_prefix_moves_past_what_is_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    assert_eq!(keys(&objects, "in/", 0).await, (vec![], 0));
    for key in ["in/1", "out/1", "in/2", "out/2"] {
        put(&objects, key, key).await.unwrap();
    }
    assert_eq!(keys(&objects, "in/", 0).await, (vec![(0, "in/1".into()), (2, "in/2".into())], 4));
    let page = objects.list("b", "out/", 0, 1).await.unwrap();
    assert_eq!((page.objects.len(), page.next), (1, 2));
}

#[tokio::test]
async fn etags_say_what_the_content_is_whoever_put_it() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    fs::create_dir_all(dir.path().join("s3/b")).unwrap();
    fs::write(dir.path().join("s3/b/hand"), "same").unwrap();
    fs::write(dir.path().join("s3/b/gone"), "gone").unwrap();
    objects.shared.follow("b", &dir.path().join("s3/b")).unwrap();
    fs::remove_file(dir.path().join("s3/b/gone")).unwrap();
    put(&objects, "put", "same").await.unwrap();
    let listed = objects.list("b", "", 0, 10).await.unwrap().objects;
    let etags: Vec<(&str, &str)> =
        listed.iter().map(|info| (info.key.as_str(), info.etag.as_str())).collect();
    assert_eq!(etags.len(), 2, "{etags:?}");
    assert_eq!(etags[0].1, etags[1].1);
    assert_eq!(etags[0].1.len(), 32);
    assert_eq!(listed[0].size, 4);
}

#[tokio::test]
async fn a_reader_is_told_of_new_objects() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    let (_, next) = keys(&objects, "", 0).await;
    let (told, stored) = futures::join!(objects.arrived("b", next), put(&objects, "a", "1"));
    told.unwrap();
    stored.unwrap();
    assert_eq!(keys(&objects, "", next).await.0.len(), 1);
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("tmp")).unwrap();
    fs::write(dir.path().join("tmp/0"), "half").unwrap();
    let objects = open(dir.path());
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    put(&objects, "a", "1").await.unwrap();
    assert_eq!(keys(&objects, "", 0).await.0.len(), 1);
}

#[tokio::test]
async fn a_full_disk_leaves_no_half_object() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    std::os::unix::fs::symlink("/dev/full", dir.path().join("tmp/0")).unwrap();
    let fault = put(&objects, "a", "1").await.unwrap_err();
    assert_eq!(fault.code, "disk_full");
    assert!(fault.message.contains("store object `a` of bucket `b`"), "{}", fault.message);
    assert!(!dir.path().join("s3/b/a").exists());
    assert_eq!(put(&objects, "a", "1").await, Ok(Put::Stored));
}
