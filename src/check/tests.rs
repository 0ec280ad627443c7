//! The formats of `flowc check`.

use super::*;

fn checked() -> (SourceMap, Vec<Checked>) {
    let mut files = SourceMap::default();
    let root = files.add("a.flow", "stream é : Lin\nstream b : Line\n");
    let span = dsl::span::Span::new(root, 12, 15);
    let other = dsl::span::Span::new(root, 27, 31);
    let problem = Problem::error("E0201", "no type `Lin`,\n100 %", span, "not a type")
        .label(other, "this one is")
        .help("did you mean `Line`?");
    (files, vec![Checked { root, problems: vec![problem], plan: None }])
}

#[test]
fn json_has_places_in_lines_and_characters() {
    let (files, checked) = checked();
    let value: serde_json::Value =
        serde_json::from_str(&formats::json(&files, &checked)).expect("JSON");
    assert_eq!(value["errors"], 1);
    assert_eq!(value["warnings"], 0);
    let problem = &value["problems"][0];
    assert_eq!(problem["code"], "E0201");
    assert_eq!(problem["place"]["line"], 1);
    assert_eq!(problem["place"]["column"], 12);
    assert_eq!(problem["place"]["end_column"], 15);
    assert_eq!(problem["labels"][1]["line"], 2);
    assert_eq!(problem["labels"][1]["text"], "this one is");
    assert_eq!(problem["help"], "did you mean `Line`?");
}

#[test]
fn annotations_are_one_line_each() {
    let (files, checked) = checked();
    assert_eq!(
        formats::github(&files, &checked),
        "::error file=a.flow,line=1,col=12,endLine=1,endColumn=15,title=E0201::\
         no type `Lin`,%0A100 %25%0Adid you mean `Line`?\n"
    );
}

#[test]
fn sarif_names_rule_and_related_places() {
    let (files, checked) = checked();
    let value: serde_json::Value =
        serde_json::from_str(&formats::sarif(&files, &checked)).expect("JSON");
    let run = &value["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "E0201");
    assert_eq!(run["results"][0]["ruleId"], "E0201");
    let related = &run["results"][0]["relatedLocations"][0];
    assert_eq!(related["physicalLocation"]["region"]["startLine"], 2);
}
