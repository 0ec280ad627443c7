//! Splits, merges, and how shards are listed.

use serde_json::{Value, json};

use super::{data, iterator, put, read, shards, stream};

const MIDDLE: &str = "170141183460469231731687303715884105728";

fn ids(shards: &[Value]) -> Vec<&str> {
    shards.iter().map(|shard| shard["ShardId"].as_str().expect("an id")).collect()
}

fn id(number: u32) -> String {
    format!("shardId-{number:012}")
}

#[tokio::test]
async fn a_split_closes_the_parent_and_numbers_go_on_rising() {
    let bench = stream(1).await;
    let (_, before) = put(&bench, "b", "1").await;
    bench.set(|settings| settings.transition_ms = 1_000);
    let split = json!({"StreamName": "s", "ShardToSplit": id(0), "NewStartingHashKey": MIDDLE});
    bench.ask("SplitShard", split.clone()).await;
    let (code, text) = bench.refused("SplitShard", split.clone()).await;
    assert_eq!(code, "ResourceInUseException");
    assert!(text.ends_with("not ACTIVE, instead in state UPDATING"), "{text}");
    // The parent takes records until the split is done.
    assert_eq!(put(&bench, "b", "2").await.0, id(0));
    bench.advance(1_000);
    let (shard, after) = put(&bench, "b", "3").await;
    assert_eq!(shard, id(2));
    let all = shards(&bench).await;
    assert_eq!(ids(&all), [id(0), id(1), id(2)]);
    let end = all[0]["SequenceNumberRange"]["EndingSequenceNumber"].as_str().expect("an end");
    let start = all[2]["SequenceNumberRange"]["StartingSequenceNumber"].as_str().expect("a start");
    let order = [before.as_str(), end, start, after.as_str()];
    assert!(order.is_sorted() && order.iter().all(|number| number.len() == 56), "{order:?}");
    assert_eq!(all[2]["ParentShardId"], json!(id(0)));
    assert_eq!(all[2]["HashKeyRange"]["StartingHashKey"], MIDDLE);
    let from = iterator(&bench, &id(0), "TRIM_HORIZON", json!({})).await;
    let (read, last) = read(&bench, from).await;
    assert_eq!(read, [data(b"1"), data(b"2")]);
    assert!(last.get("NextShardIterator").is_none());
    let children: Vec<&Value> = last["ChildShards"].as_array().expect("children").iter().collect();
    assert_eq!(children[1]["ParentShards"], json!([id(0)]));
    let (code, text) = bench.refused("SplitShard", split).await;
    assert_eq!(code, "ResourceInUseException");
    assert!(text.contains("has already been merged or split"), "{text}");
}

#[tokio::test]
async fn only_neighbours_merge_and_only_inner_keys_split() {
    let bench = stream(3).await;
    let merge = |a: u32, b: u32| -> Value {
        json!({"StreamName": "s", "ShardToMerge": id(a), "AdjacentShardToMerge": id(b)})
    };
    for (a, b) in [(0, 2), (2, 0), (1, 1)] {
        let (code, text) = bench.refused("MergeShards", merge(a, b)).await;
        assert_eq!(code, "InvalidArgumentException", "{text}");
    }
    let missing = bench.refused("MergeShards", merge(0, 9)).await.0;
    assert_eq!(missing, "ResourceNotFoundException");
    let split =
        |at: &str| json!({"StreamName": "s", "ShardToSplit": id(0), "NewStartingHashKey": at});
    for at in ["0", "1", "113427455640312821154458202477256070484", MIDDLE] {
        let code = bench.refused("SplitShard", split(at)).await.0;
        assert_eq!(code, "InvalidArgumentException", "{at}");
    }
    assert_eq!(bench.refused("SplitShard", split("x")).await.0, "ValidationException");
    bench.ask("MergeShards", merge(1, 2)).await;
    let all = shards(&bench).await;
    assert_eq!(all[3]["ParentShardId"], json!(id(1)));
    assert_eq!(all[3]["AdjacentParentShardId"], json!(id(2)));
}

#[tokio::test]
async fn shard_counts_double_or_halve_at_most() {
    let bench = stream(3).await;
    let to = |target: u32| -> Value {
        json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
    };
    assert_eq!(bench.refused("UpdateShardCount", to(7)).await.0, "InvalidArgumentException");
    assert_eq!(bench.refused("UpdateShardCount", to(1)).await.0, "InvalidArgumentException");
    for target in [5, 3, 2, 4, 8, 6] {
        bench.ask("UpdateShardCount", to(target)).await;
        let all = shards(&bench).await;
        let open =
            |shard: &&Value| shard["SequenceNumberRange"].get("EndingSequenceNumber").is_none();
        let mut ranges: Vec<(u128, u128)> = all
            .iter()
            .filter(open)
            .map(|shard| {
                let key = |name: &str| {
                    shard["HashKeyRange"][name].as_str().expect("a key").parse().expect("a number")
                };
                (key("StartingHashKey"), key("EndingHashKey"))
            })
            .collect();
        ranges.sort_unstable();
        assert_eq!(ranges.len() as u32, target);
        assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u128::MAX));
        assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
    }
}

#[tokio::test]
async fn shards_are_listed_in_pages_and_filtered() {
    let bench = stream(4).await;
    bench.set(|settings| settings.list_shards_page = 3);
    let first = bench.ask("ListShards", json!({"StreamName": "s"})).await;
    let token = first["NextToken"].as_str().expect("a token");
    let second = bench.ask("ListShards", json!({"NextToken": token})).await;
    assert_eq!(second["Shards"].as_array().expect("shards").len(), 1);
    assert!(second.get("NextToken").is_none());
    let both = json!({"StreamName": "s", "NextToken": token});
    assert_eq!(bench.refused("ListShards", both).await.0, "InvalidArgumentException");
    let old = json!({"NextToken": token});
    bench.advance(301_000);
    assert_eq!(bench.refused("ListShards", old).await.0, "ExpiredNextTokenException");
    let forged = json!({"NextToken": "AAAA"});
    assert_eq!(bench.refused("ListShards", forged).await.0, "InvalidArgumentException");
    bench.set(|settings| settings.list_shards_page = 1_000);
    let at_ms = bench.shared.clock.now_ms();
    bench.advance(60_000);
    let merge = json!({"StreamName": "s", "ShardToMerge": id(0), "AdjacentShardToMerge": id(1)});
    bench.ask("MergeShards", merge).await;
    bench.advance(60_000);
    let filtered = async |filter: Value| {
        let body = json!({"StreamName": "s", "ShardFilter": filter});
        let reply = bench.ask("ListShards", body).await;
        reply["Shards"].as_array().expect("shards").len()
    };
    assert_eq!(filtered(json!({"Type": "AT_LATEST"})).await, 3);
    assert_eq!(filtered(json!({"Type": "AT_TRIM_HORIZON"})).await, 4);
    assert_eq!(filtered(json!({"Type": "FROM_TRIM_HORIZON"})).await, 5);
    assert_eq!(filtered(json!({"Type": "AFTER_SHARD_ID", "ShardId": id(2)})).await, 2);
    let at = at_ms as f64 / 1e3;
    assert_eq!(filtered(json!({"Type": "AT_TIMESTAMP", "Timestamp": at})).await, 4);
    let later = at + 90.0;
    assert_eq!(filtered(json!({"Type": "FROM_TIMESTAMP", "Timestamp": later})).await, 3);
    let wrong = json!({"StreamName": "s", "ShardFilter": {"Type": "AT_TIMESTAMP"}});
    assert_eq!(bench.refused("ListShards", wrong).await.0, "InvalidArgumentException");
    // What closed longer ago than records are kept is not listed any more.
    bench.advance(24 * 3_600_000);
    assert_eq!(ids(&shards(&bench).await), [id(2), id(3), id(4)]);
}
