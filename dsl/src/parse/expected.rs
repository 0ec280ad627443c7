//! What would have fit, in words: the rules of the grammar never reach the user.

use super::grammar::Rule;
use crate::check::suggest::nearest;

/// What each rule is called, in the order in which it is worth saying; rules that are left out
/// (operators after a complete value, optional clauses) are never worth saying first.
const PHRASES: &[(&[Rule], &str)] = &[
    (&[Rule::type_name], "a name with a capital"),
    (&[Rule::ident, Rule::name], "a name"),
    (&[Rule::guarantee], "`at_least_once`, `at_most_once` or `exactly_once`"),
    (&[Rule::block_string, Rule::block_end], "`\"\"\"`"),
    (&[Rule::params, Rule::lpar], "`(`"),
    (&[Rule::eq], "`=`"),
    (&[Rule::colon, Rule::sep], "`:`"),
    (&[Rule::arrow], "`->`"),
    (&[Rule::ty, Rule::ty_base, Rule::applied, Rule::rec_ty], "a type"),
    (&[Rule::kw_then], "`then`"),
    (&[Rule::kw_else], "`else`"),
    (&[Rule::kw_on], "`on`"),
    (&[Rule::expr, Rule::binary, Rule::postfix, Rule::primary, Rule::hole], "a value"),
    (&[Rule::not_op, Rule::neg_op, Rule::cond], "a value"),
    (&[Rule::field], "a field such as `.name`"),
    (&[Rule::int], "a number"),
    (&[Rule::arg, Rule::lambda], "an argument"),
    (&[Rule::formal], "a parameter"),
    (&[Rule::ty_field, Rule::ty_named, Rule::ty_dynamic, Rule::rest], "a field"),
    (&[Rule::entry, Rule::named, Rule::shorthand, Rule::computed, Rule::spread], "an entry"),
    (&[Rule::binding], "a binding such as `orders = kinesis(\"orders\")`"),
    (&[Rule::arm], "an arm such as `.total > 0 -> sales.write`"),
    (&[Rule::test_step, Rule::given_step], "`given`"),
    (&[Rule::test_step, Rule::run_step], "`run`"),
    (&[Rule::test_step, Rule::expect_step], "`expect`"),
    (&[Rule::stmt, Rule::let_stmt], "a statement"),
    (&[Rule::chain, Rule::stage, Rule::node, Rule::call, Rule::path], "a node"),
    (&[Rule::fan, Rule::where_s, Rule::map_s, Rule::route_s], "a node"),
    (&[Rule::comma], "`,`"),
    (&[Rule::rpar], "`)`"),
    (&[Rule::rbrk, Rule::index_in], "`]`"),
    (&[Rule::body, Rule::lbrace], "`{`"),
    (&[Rule::rbrace], "`}`"),
    (&[Rule::gt], "`>`"),
    (&[Rule::string], "a text such as `\"orders\"`"),
    (&[Rule::EOI], "the end of the declaration"),
];

/// Said only when nothing above is expected.
const LAST: &[(&[Rule], &str)] = &[
    (&[Rule::record], "`{`"),
    (&[Rule::lbrk], "`[`"),
    (&[Rule::lt], "`<`"),
    (&[Rule::kw_as, Rule::claim], "`as`"),
    (&[Rule::coalesce_op, Rule::cmp_op, Rule::add_op, Rule::mul_op], "an operator"),
    (&[Rule::and_op, Rule::or_op, Rule::catch_op], "an operator"),
    (&[Rule::fmt], "a format"),
];

/// `expected` in words: "`->`, a statement or `}`".
pub(super) fn phrase(expected: &[Rule]) -> String {
    let mut words = pick(PHRASES, expected);
    if words.is_empty() {
        words = pick(LAST, expected);
    }
    match words.as_slice() {
        [] => "something else".into(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn pick(table: &[(&[Rule], &'static str)], expected: &[Rule]) -> Vec<&'static str> {
    let mut words: Vec<&'static str> = Vec::new();
    for (rules, word) in table {
        if !words.contains(word) && rules.iter().any(|rule| expected.contains(rule)) {
            words.push(word);
        }
    }
    if words.contains(&"a value") {
        words.retain(|word| *word != "a name");
    }
    words.truncate(4);
    words
}

/// Words that a rule begins with.
const KEYWORDS: &[(&[Rule], &str)] = &[
    (&[Rule::key_clause, Rule::kw_key], "key"),
    (&[Rule::into_clause, Rule::kw_into], "into"),
    (&[Rule::kw_on], "on"),
    (&[Rule::kw_as, Rule::claim], "as"),
    (&[Rule::catch_n, Rule::kw_catch], "catch"),
    (&[Rule::kw_then], "then"),
    (&[Rule::kw_else], "else"),
    (&[Rule::test_step, Rule::given_step], "given"),
    (&[Rule::test_step, Rule::run_step], "run"),
    (&[Rule::test_step, Rule::expect_step], "expect"),
];

/// The word of the language that would have fit and is nearly `word`.
pub(super) fn keyword_near(word: &str, expected: &[Rule]) -> Option<&'static str> {
    let fits = |rules: &&[Rule]| rules.iter().any(|rule| expected.contains(rule));
    nearest(word, KEYWORDS.iter().filter(|(rules, _)| fits(rules)).map(|(_, word)| *word))
}

/// How the declaration that begins with `word` is written.
pub(super) fn form(word: &str) -> Option<&'static str> {
    Some(match word {
        "use" => "use \"shared/retail.flow\" { Line, orders }",
        "param" => "param name : text = \"default\"",
        "secret" => "secret name = env(\"NAME\")",
        "const" => "const name : int = 5",
        "type" => "type Name = { field: text }",
        "stream" => "stream name : json<Line> key .field",
        "delivery" => "delivery name : ndjson<Line> into bucket_name",
        "bucket" => "bucket name : ndjson<Line>",
        "table" => "table name : Line key .field",
        "queue" => "queue name : json<Line>",
        "profile" => "profile name { orders = kinesis(\"orders\") }",
        "node" => "node name(x: int) : In -> Out { in -> out }",
        "flow" => "flow name : at_least_once { orders.read -> drop }",
        "query" => "query name on table_name \"\"\" select … from {table_name} \"\"\"",
        "test" => "test \"title\" { given … run … expect … }",
        _ => return None,
    })
}
