//! Files and names that are not there.

use super::*;
use crate::render::Style;

fn said(stop: Stop) -> String {
    stop.text(Style::plain()).0
}

#[test]
fn a_missing_file_names_the_nearest() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("shop.flow"), "").expect("a file");
    let missing = dir.path().join("shp.flow");
    let stop = read(&missing, &mut SourceMap::default()).expect_err("it is not there");
    let text = said(stop);
    assert!(text.contains("there is no file") && text.contains("shop.flow`?"), "{text}");
}

#[test]
fn a_directory_and_binary_text_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let stop = read(dir.path(), &mut SourceMap::default()).expect_err("a directory");
    assert!(said(stop).contains("is a directory"));
    let path = dir.path().join("latin.flow");
    std::fs::write(&path, b"# ok\n# \xA3\n").expect("a file");
    let stop = read(&path, &mut SourceMap::default()).expect_err("not UTF-8");
    assert!(said(stop).contains("a wrong byte in line 2"));
}

#[test]
fn params_come_from_the_command_line_then_the_environment() {
    let names = Names {
        file: "a.flow".into(),
        flows: vec![],
        profiles: vec![],
        params: vec!["csv_file".into(), "listen".into()],
    };
    let env = BTreeMap::from([
        ("FLOW_CSV_FILE".to_string(), "env.csv".to_string()),
        ("FLOW_LISTEN".to_string(), ":80".to_string()),
        ("FLOW_OTHER".to_string(), "x".to_string()),
    ]);
    let params = names.params(&["csv_file=a=b.csv".into()], &env).expect("both are known");
    let expected = [("csv_file", "a=b.csv"), ("listen", ":80")];
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    assert_eq!(params, expected);
    let text = said(names.params(&["csvfile=x".into()], &env).expect_err("unknown"));
    assert!(
        text.contains("no param `csvfile` in a.flow") && text.contains("`csv_file`?"),
        "{text}"
    );
    let text = said(names.params(&["listen".into()], &env).expect_err("no value"));
    assert!(text.contains("--param listen=VALUE"), "{text}");
}

#[test]
fn an_unknown_name_lists_what_there_is() {
    let names = ["ingest".to_string(), "gateway".to_string()];
    let text = said(unknown("flow", "zzz", "a.flow", &names));
    assert!(text.contains("its flows are `ingest`, `gateway`"), "{text}");
}
