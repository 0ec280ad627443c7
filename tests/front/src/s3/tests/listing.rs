//! Listings: pages, prefixes, delimiters, encodings.

use super::{Answer, Lab, is};
use crate::settings::Settings;

async fn lab(keys: &[&str]) -> Lab {
    let lab = Lab::new().await;
    for key in keys {
        let path = crate::wire::percent_encode(key, true);
        lab.ok("PUT", &format!("/box/{path}"), &[], b"x").await;
    }
    lab
}

/// All pages of a listing.
async fn pages(lab: &Lab, query: &str) -> Vec<Answer> {
    let mut all: Vec<Answer> = Vec::new();
    loop {
        let token = all.last().map(|page| page.one("NextContinuationToken"));
        let token = token.map(|token| format!("&continuation-token={token}")).unwrap_or_default();
        let page = lab.ok("GET", &format!("/box?list-type=2&{query}{token}"), &[], b"").await;
        let more = page.one("IsTruncated") == "true";
        all.push(page);
        assert!(all.len() < 100);
        if !more {
            return all;
        }
    }
}

fn keys(pages: &[Answer]) -> Vec<String> {
    pages.iter().flat_map(|page| page.all("Key")).map(str::to_owned).collect()
}

#[tokio::test]
async fn keys_come_in_the_order_of_their_bytes() {
    let lab = lab(&["b", "a/1", "a/2", "B", "ü", "a-1"]).await;
    let all = pages(&lab, "").await;
    assert_eq!(keys(&all), ["B", "a-1", "a/1", "a/2", "b", "ü"]);
    assert_eq!((all[0].one("KeyCount"), all[0].one("MaxKeys")), ("6", "1000"));
    assert_eq!(all[0].one("Size"), "1");
    assert!(all[0].one("LastModified").ends_with(".000Z"), "whole seconds");
    assert_eq!(keys(&pages(&lab, "prefix=a/").await), ["a/1", "a/2"]);
    assert_eq!(keys(&pages(&lab, "start-after=a/1").await), ["a/2", "b", "ü"]);
    for size in 1..7 {
        let paged = pages(&lab, &format!("max-keys={size}")).await;
        assert_eq!(keys(&paged), keys(&all));
        assert_eq!(paged.len(), 6_usize.div_ceil(size));
    }
    let none = pages(&lab, "max-keys=0").await;
    assert_eq!((none[0].one("KeyCount"), none[0].one("IsTruncated")), ("0", "false"));
}

#[tokio::test]
async fn a_delimiter_folds_keys() {
    let lab = lab(&["a/1", "a/2", "b/1", "c", "d/x/1", "d/y"]).await;
    for size in [1, 2, 1_000] {
        let all = pages(&lab, &format!("delimiter=/&max-keys={size}")).await;
        assert_eq!(keys(&all), ["c"]);
        let folded = all.iter().flat_map(|page| {
            let lines = page.all("CommonPrefixes");
            lines.into_iter().map(|line| line.replace("<Prefix>", "").replace("</Prefix>", ""))
        });
        assert_eq!(folded.collect::<Vec<_>>(), ["a/", "b/", "d/"], "page of {size}");
    }
    let below = pages(&lab, "delimiter=/&prefix=d/").await;
    assert_eq!(keys(&below), ["d/y"]);
    assert_eq!(below[0].all("CommonPrefixes"), ["<Prefix>d/x/</Prefix>"]);
}

#[tokio::test]
async fn a_small_page_may_be_set() {
    let lab = lab(&["a", "b", "c"]).await;
    lab.shared.set_settings(Settings { objects_page: 2, ..Settings::default() });
    let all = pages(&lab, "max-keys=1000").await;
    assert_eq!((keys(&all).len(), all.len()), (3, 2));
}

#[tokio::test]
async fn keys_may_be_encoded() {
    let lab = lab(&["a b/<ü>+"]).await;
    assert_eq!(keys(&pages(&lab, "").await), ["a b/&lt;ü&gt;+"]);
    assert_eq!(keys(&pages(&lab, "encoding-type=url").await), ["a%20b/%3C%C3%BC%3E%2B"]);
    let refused = lab.refused("GET", "/box?list-type=2&encoding-type=x", &[], b"").await;
    is(refused, 400, "InvalidArgument");
    for query in ["max-keys=x", "max-keys=-1", "continuation-token=x"] {
        let refused = lab.refused("GET", &format!("/box?list-type=2&{query}"), &[], b"").await;
        is(refused, 400, "InvalidArgument");
    }
    is(lab.refused("GET", "/none?list-type=2", &[], b"").await, 404, "NoSuchBucket");
}
