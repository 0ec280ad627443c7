//! What Redshift has and PostgreSQL has not, put into PostgreSQL's words; and what PostgreSQL has
//! and Redshift has not, refused.

use super::copy::{self, Copy};
use super::lex::{Kind, Token, lex};
use super::table;

/// A statement as it will be run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// SQL for PostgreSQL.
    Plain(String),
    /// COPY from S3.
    Copy(Copy),
    /// BEGIN, COMMIT, ROLLBACK, as PostgreSQL has them.
    Transaction(String),
    /// TRUNCATE, which on Redshift commits.
    Truncate(String),
}

/// Words in a row that are PostgreSQL's alone.
const FOREIGN: [&str; 22] = [
    "on conflict",
    "returning",
    "distinct on",
    "lateral",
    "for update",
    "create index",
    "create unique",
    "create unlogged",
    "create trigger",
    "create extension",
    "create domain",
    "create sequence",
    "create type",
    "create rule",
    ":: jsonb",
    ":: json",
    ":: bytea",
    ":: uuid",
    "filter ( where",
    "do nothing",
    "from stdin",
    "to stdout",
];

/// Words that have another name in PostgreSQL, each with what stands there.
const RENAMED: [(&str, &str); 8] = [
    ("getdate ( )", "(now() at time zone 'UTC')"),
    ("sysdate", "(now() at time zone 'UTC')"),
    ("nvl (", "coalesce("),
    ("json_parse (", "front.json_parse("),
    (":: super", "::jsonb"),
    (":: varbyte", "::bytea"),
    ("minus select", "except select"),
    ("information_schema . columns", "front.svv_columns"),
];

/// One statement, translated. The error is what Redshift, or the front, says to it.
pub fn translate(sql: &str, parameters: &[(String, String)]) -> Result<Command, String> {
    let mut tokens = with_parameters(lex(sql)?, parameters)?;
    while tokens.last().is_some_and(|last| last.kind == Kind::Space || last.is(";")) {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.is(";")) {
        return Err("ERROR: cannot insert multiple commands into a prepared statement".into());
    }
    let words: Vec<Token> =
        tokens.iter().filter(|token| token.kind != Kind::Space).cloned().collect();
    let Some(first) = words.first() else {
        return Err("ERROR: syntax error: the statement is empty".into());
    };
    for foreign in FOREIGN {
        if find(&words, foreign).is_some() {
            return Err(format!("ERROR: syntax error at or near \"{foreign}\""));
        }
    }
    if first.is("copy") {
        return copy::parse(&words).map(Command::Copy);
    }
    if first.is("merge") {
        check_merge(&words)?;
    }
    if let Some(at) = table::begins(&words) {
        let text = |tokens: &[Token]| print(&rename(tokens.to_vec()));
        return table::translate(&words, at, &text).map(Command::Plain);
    }
    let sql = print(&rename(tokens));
    let transaction = ["begin", "start", "commit", "end", "rollback", "abort"];
    Ok(match first {
        word if transaction.iter().any(|name| word.is(name)) => Command::Transaction(sql),
        word if word.is("truncate") => Command::Truncate(sql),
        _ => Command::Plain(sql),
    })
}

/// Puts values in the place of `:name`; all names must be known, and all values wanted somewhere.
fn with_parameters(
    tokens: Vec<Token>,
    parameters: &[(String, String)],
) -> Result<Vec<Token>, String> {
    let mut replaced = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let named = token.is(":") && tokens.peek().is_some_and(|next| next.kind == Kind::Word);
        let Some(name) = named.then(|| tokens.next()).flatten() else {
            replaced.push(token);
            continue;
        };
        let Some((_, value)) = parameters.iter().find(|(known, _)| *known == name.text) else {
            return Err(format!("ERROR: there is no parameter :{}", name.text));
        };
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        replaced.push(Token::made(Kind::Text, format!("'{value}'")));
    }
    Ok(replaced)
}

/// Where words stand in a row, whatever is between them.
pub fn find(words: &[Token], wanted: &str) -> Option<usize> {
    let wanted: Vec<&str> = wanted.split(' ').collect();
    words
        .windows(wanted.len())
        .position(|window| window.iter().zip(&wanted).all(|(token, word)| token.is(word)))
}

fn rename(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match RENAMED.iter().find_map(|(from, to)| Some((row(&tokens, at, from)?, to))) {
            Some((end, to)) => {
                out.push(Token::made(Kind::Sign, *to));
                at = end;
            }
            None => {
                let quoted = date_part(&tokens, at);
                out.push(tokens[at].clone());
                at += 1;
                if let Some((end, part)) = quoted {
                    out.push(Token::made(Kind::Sign, format!("('{part}'")));
                    at = end;
                }
            }
        }
    }
    out
}

/// `dateadd(day, …)`: the part of a date as a text.
fn date_part(tokens: &[Token], at: usize) -> Option<(usize, String)> {
    let function = tokens.get(at)?;
    let takes = ["dateadd", "datediff", "date_add", "date_diff"];
    if !takes.iter().any(|name| function.is(name)) {
        return None;
    }
    let mut rest = (at + 1..tokens.len()).filter(|at| tokens[*at].kind != Kind::Space);
    let (open, part) = (rest.next()?, rest.next()?);
    let named = tokens[open].is("(") && tokens[part].kind == Kind::Word;
    named.then(|| (part + 1, tokens[part].text.to_ascii_lowercase()))
}

/// Where the row of words ends that begins here, if it does.
fn row(tokens: &[Token], at: usize, wanted: &str) -> Option<usize> {
    let mut at = at;
    for (n, word) in wanted.split(' ').enumerate() {
        while n > 0 && tokens.get(at).is_some_and(|token| token.kind == Kind::Space) {
            at += 1;
        }
        tokens.get(at).filter(|token| token.is(word))?;
        at += 1;
    }
    Some(at)
}

/// The SQL: names in lower case, in quotes too; backslashes in texts are escapes.
fn print(tokens: &[Token]) -> String {
    let mut sql = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| tokens[before].kind);
        let glued = matches!(before, Some(Kind::Word | Kind::Number | Kind::Name | Kind::Text));
        // `- -1` without the space between would begin a comment.
        let comment = ["-", "/"].iter().any(|sign| token.is(sign)) && sql.ends_with(&token.text);
        if comment
            || (glued && matches!(token.kind, Kind::Word | Kind::Number | Kind::Name | Kind::Text))
        {
            sql.push(' ');
        }
        match token.kind {
            Kind::Name => sql.push_str(&token.text.to_lowercase()),
            Kind::Text if token.text.starts_with('\'') && token.text.contains('\\') => {
                sql.push('E');
                sql.push_str(&token.text);
            }
            _ => sql.push_str(&token.text),
        }
    }
    sql
}

/// MERGE as Redshift has it: no alias of the target, a table as the source, both branches once.
fn check_merge(words: &[Token]) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("ERROR: syntax error in MERGE: {what}"));
    if find(words, "remove duplicates").is_some() {
        return Err("ERROR: MERGE … REMOVE DUPLICATES is not in the front".into());
    }
    let Some(using) = words.iter().position(|token| token.is("using")) else {
        return refuse("there is no USING");
    };
    let named = matches!(words[2..using].len(), 1 | 3) && words[1].is("into");
    if !named {
        return refuse("the target is a table's name, without an alias");
    }
    if words.get(using + 1).is_some_and(|token| token.is("(")) {
        return refuse("the source is a table");
    }
    let whens: Vec<usize> = (0..words.len()).filter(|at| words[*at].is("when")).collect();
    let [matched, missing] = whens[..] else {
        return refuse("it needs WHEN MATCHED THEN … WHEN NOT MATCHED THEN …");
    };
    let matched_is = |then: &str| find(&words[matched..], then) == Some(0);
    if !(matched_is("when matched then update set") || matched_is("when matched then delete")) {
        return refuse("WHEN MATCHED THEN is followed by UPDATE SET or DELETE");
    }
    if find(&words[missing..], "when not matched then insert") != Some(0) {
        return refuse("WHEN NOT MATCHED THEN is followed by INSERT");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(sql: &str) -> String {
        match translate(sql, &[]) {
            Ok(Command::Plain(sql)) => sql,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn refused(sql: &str) -> String {
        translate(sql, &[]).expect_err(sql)
    }

    #[test]
    fn words_of_redshift_are_put_into_postgres_words() {
        assert_eq!(
            plain("select GETDATE(), nvl (a, 1);"),
            "select (now() at time zone 'UTC'), coalesce(a, 1)"
        );
        assert_eq!(
            plain("select 'getdate()', \"Invoice No\""),
            "select 'getdate()', \"invoice no\""
        );
        assert_eq!(plain("select dateadd(Day, -1, x)"), "select dateadd('day', -1, x)");
        assert_eq!(plain(r"select 'a\'b'"), r"select E'a\'b'");
        assert_eq!(plain("select a::super"), "select a::jsonb");
        assert_eq!(plain("create table t as select 1 - - 1"), "create table t as select 1- -1");
    }

    #[test]
    fn parameters_are_quoted() {
        let values = [("a".to_owned(), r"it's \".to_owned())];
        let Ok(Command::Plain(sql)) = translate("select :a, x::int, ':a'", &values) else {
            panic!("a statement")
        };
        assert_eq!(sql, r"select E'it''s \\', x::int, ':a'");
        assert!(translate("select :b", &values).is_err());
    }

    #[test]
    fn what_redshift_has_not_is_refused() {
        refused("insert into t values (1) on conflict do nothing");
        refused("insert into t values (1) returning id");
        refused("create index i on t (a)");
        refused("select 1; select 2");
        refused(" -- nothing\n;");
        refused(
            "merge into t x using s on t.a = s.a when matched then delete \
                 when not matched then insert values (1)",
        );
        refused(
            "merge into t using (select 1) s on t.a = s.a when matched then delete \
                 when not matched then insert values (1)",
        );
        refused("merge into t using s on t.a = s.a when not matched then insert values (1)");
        plain(
            "merge into t using s on t.a = s.a when matched then update set b = s.b \
               when not matched then insert (a, b) values (s.a, s.b)",
        );
    }
}
