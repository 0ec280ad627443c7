//! COPY … FROM 's3://…' as it is written.

use super::lex::{Kind, Token};

/// How a JSON object's values find their columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By the key, which must be the column's name as it is stored.
    Auto,
    /// By the key, whatever its case.
    AutoIgnoreCase,
    /// By the paths of this file, in the order of the columns.
    Paths(String),
}

/// How the objects are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// A COPY command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The table as it is written, schema and all, in lower case.
    pub table: String,
    /// The columns that are loaded; empty for all.
    pub columns: Vec<String>,
    /// `s3://bucket/key`: a manifest, or what the objects' keys begin with.
    pub from: String,
    /// True when `from` is a manifest.
    pub manifest: bool,
    /// How values find their columns.
    pub shape: Shape,
    /// How the objects are packed.
    pub packed: Packed,
    /// `auto`, `epochsecs`, `epochmillisecs`; `None` for Redshift's own form.
    pub time_format: Option<String>,
    /// How many rows may be wrong.
    pub errors_max: u64,
    /// Texts over their column's length are cut.
    pub truncate: bool,
    /// What stands for bytes that are no UTF-8.
    pub invalid: Option<char>,
    /// Everything is checked, and nothing loaded.
    pub dry: bool,
}

/// Reads the words of a COPY command.
pub fn parse(words: &[Token]) -> Result<Copy, String> {
    let mut parser = Parser { words, at: 1 };
    let mut table = parser.name()?;
    while parser.takes(".") {
        table = format!("{table}.{}", parser.name()?);
    }
    let mut columns = Vec::new();
    if parser.takes("(") {
        columns.push(parser.name()?);
        while parser.takes(",") {
            columns.push(parser.name()?);
        }
        parser.must(")")?;
    }
    parser.must("from")?;
    let from = parser.text()?;
    if !from.starts_with("s3://") {
        return Err(format!("ERROR: COPY from '{from}' is not in the front: only s3://"));
    }
    let mut copy = Copy {
        table,
        columns,
        from,
        manifest: false,
        shape: Shape::Auto,
        packed: Packed::Plain,
        time_format: None,
        errors_max: 0,
        truncate: false,
        invalid: None,
        dry: false,
    };
    let (mut role, mut json) = (false, false);
    while let Some(word) = parser.words.get(parser.at) {
        parser.at += 1;
        match word.text.to_ascii_lowercase().as_str() {
            "iam_role" => role = parser.role()?,
            "format" | "json" => {
                json = true;
                parser.json(word.is("json"), &mut copy)?;
            }
            other => parser.option(other, &mut copy)?,
        }
    }
    if !role {
        return Err("ERROR: COPY needs IAM_ROLE; no other credentials are in the front".into());
    }
    if !json {
        return Err("ERROR: COPY needs FORMAT JSON; no other format is in the front".into());
    }
    Ok(copy)
}

struct Parser<'a> {
    words: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    fn wrong<T>(&self) -> Result<T, String> {
        Err(match self.words.get(self.at) {
            Some(token) => format!("ERROR: syntax error at or near \"{}\"", token.text),
            None => "ERROR: syntax error at end of input".into(),
        })
    }

    fn must(&mut self, word: &str) -> Result<(), String> {
        if self.takes(word) { Ok(()) } else { self.wrong() }
    }

    /// A name, in lower case.
    fn name(&mut self) -> Result<String, String> {
        let token = self.words.get(self.at);
        let Some(token) = token.filter(|t| matches!(t.kind, Kind::Word | Kind::Name)) else {
            return self.wrong();
        };
        self.at += 1;
        let name = token.text.to_lowercase();
        Ok(match token.kind {
            Kind::Name => name[1..name.len() - 1].replace("\"\"", "\""),
            _ => name,
        })
    }

    fn text(&mut self) -> Result<String, String> {
        let Some(text) = self.words.get(self.at).and_then(Token::value) else {
            return self.wrong();
        };
        self.at += 1;
        Ok(text)
    }

    fn text_here(&self) -> bool {
        self.words.get(self.at).is_some_and(|token| token.kind == Kind::Text)
    }

    fn role(&mut self) -> Result<bool, String> {
        if self.takes("default") {
            return Ok(true);
        }
        let role = self.text()?;
        let account = role.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
        let right = |(id, name): (&str, &str)| {
            id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
        };
        match account.is_some_and(right) {
            true => Ok(true),
            false => Err(format!("ERROR: Invalid IAM role '{role}'")),
        }
    }

    /// Behind FORMAT, or JSON.
    fn json(&mut self, named: bool, copy: &mut Copy) -> Result<(), String> {
        if !named {
            self.takes("as");
            self.must("json")?;
        }
        self.takes("as");
        if !self.text_here() {
            return Ok(());
        }
        let shape = self.text()?;
        copy.shape = match shape.as_str() {
            "auto" => Shape::Auto,
            "auto ignorecase" => Shape::AutoIgnoreCase,
            _ if shape.starts_with("s3://") => Shape::Paths(shape),
            _ => return Err(format!("ERROR: JSON '{shape}' is not in the front")),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<u64, String> {
        self.takes("as");
        let number = self.words.get(self.at).and_then(|token| token.text.parse().ok());
        self.at += 1;
        number.filter(|n| *n <= 100_000).ok_or_else(|| "ERROR: MAXERROR is 0 to 100000".into())
    }

    fn option(&mut self, word: &str, copy: &mut Copy) -> Result<(), String> {
        match word {
            "manifest" => copy.manifest = true,
            "gzip" => copy.packed = Packed::Gzip,
            "zstd" => copy.packed = Packed::Zstd,
            "timeformat" => {
                self.takes("as");
                let format = self.text()?;
                if !["auto", "epochsecs", "epochmillisecs"].contains(&format.as_str()) {
                    return Err(format!("ERROR: TIMEFORMAT '{format}' is not in the front"));
                }
                copy.time_format = Some(format);
            }
            "maxerror" => copy.errors_max = self.number()?,
            "truncatecolumns" => copy.truncate = true,
            "acceptinvchars" => {
                self.takes("as");
                let by = if self.text_here() { self.text()?.chars().next() } else { None };
                copy.invalid = Some(by.unwrap_or('?'));
            }
            "noload" => copy.dry = true,
            "compupdate" | "statupdate" => {
                let _ = self.takes("on") || self.takes("off") || self.takes("preset");
            }
            "region" => {
                self.takes("as");
                self.text()?;
            }
            _ => {
                self.at -= 1;
                return self.wrong();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redshift::lex::lex;

    fn copy(sql: &str) -> Result<Copy, String> {
        let tokens = lex(sql).expect("tokens").into_iter();
        parse(&tokens.filter(|token| token.kind != Kind::Space).collect::<Vec<_>>())
    }

    const ROLE: &str = "IAM_ROLE 'arn:aws:iam::123456789012:role/r'";

    #[test]
    fn a_command_is_read() {
        let sql = format!(
            "COPY public.\"Stage\" (a, \"B\") FROM 's3://m/x.json' {ROLE} MANIFEST \
             FORMAT AS JSON 's3://p/paths.json' GZIP TIMEFORMAT 'auto' MAXERROR AS 3 \
             COMPUPDATE OFF STATUPDATE OFF TRUNCATECOLUMNS ACCEPTINVCHARS AS '^' REGION 'x'"
        );
        let found = copy(&sql).expect("a command");
        assert_eq!((found.table.as_str(), found.columns.join(",")), ("public.stage", "a,b".into()));
        assert_eq!(found.shape, Shape::Paths("s3://p/paths.json".into()));
        assert_eq!((found.packed, found.errors_max, found.invalid), (Packed::Gzip, 3, Some('^')));
        assert!(found.manifest && found.truncate && !found.dry);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let refused = |sql: String| assert!(copy(&sql).is_err(), "{sql}");
        refused("COPY t FROM 's3://b/k' JSON 'auto'".into());
        refused(format!("COPY t FROM 's3://b/k' {ROLE}"));
        refused("COPY t FROM 's3://b/k' IAM_ROLE 'me' JSON 'auto'".into());
        refused(format!("COPY t FROM 'dynamodb://b' {ROLE} JSON 'auto'"));
        refused(format!("COPY t FROM 's3://b/k' {ROLE} JSON 'Auto'"));
        refused(format!("COPY t FROM 's3://b/k' {ROLE} JSON 'auto' QUICKLY"));
        refused(format!("COPY t FROM 's3://b/k' {ROLE} JSON 'auto' MAXERROR 100001"));
    }
}
