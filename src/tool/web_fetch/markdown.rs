//! HTML as Markdown, in one pass over its tags: no tree is built and nothing recurses, so that no page is too deep.

use std::cell::RefCell;

use html5ever::{
    Attribute,
    tendril::StrTendril,
    tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, states::RawKind},
};
use reqwest::Url;

use super::floor;

/// Elements that are open at once, as far as it matters. What is deeper counts as text of the innermost.
const DEEPEST: usize = 256;

/// Quotes and lists within each other that are shown as such. A line has no more in front of it than these make.
const INDENTED: usize = 8;

/// The most bytes that come out.
const LONGEST: usize = 8 << 20;

/// The longest base that addresses are joined to: each of them takes as long as that is.
const LONGEST_BASE: usize = 2 << 10;

/// Bytes that are read between two looks at whether to go on. The tokenizer compares each attribute of a tag with all
/// before it, so that a page can take any time.
const PIECE: usize = 64 << 10;

/// A page as Markdown.
pub struct Converted {
    pub title: String,
    pub text: String,
    /// It was read to its end.
    pub is_whole: bool,
}

/// What a page says, for as long as `goes_on`. Addresses become absolute.
pub fn convert(html: &str, base: &Url, goes_on: impl Fn() -> bool) -> Converted {
    let page = RefCell::new(Page::new(base.clone()));
    let tokenizer = Tokenizer::new(Sink(page), Default::default());
    let input = BufferQueue::default();
    let mut rest = html;
    while !rest.is_empty() && goes_on() {
        let (piece, after) = rest.split_at(floor(rest, PIECE));
        input.push_back(StrTendril::from(piece));
        let _ = tokenizer.feed(&input);
        rest = after;
    }
    tokenizer.end();
    let (title, text) = tokenizer.sink.0.into_inner().finish();
    Converted { title, text, is_whole: rest.is_empty() }
}

struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return page.start(&tag),
            Token::TagToken(tag) => page.end(&tag.name),
            Token::CharacterTokens(text) => page.text(&text),
            Token::NullCharacterToken
            | Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

/// An open element.
struct Open {
    name: String,
    what: What,
}

enum What {
    /// Nothing but what is in it.
    Plain,
    /// What is in it is not shown.
    Hidden,
    Title,
    Heading,
    Quote,
    /// The number of the next item, if they have numbers.
    List(Option<usize>),
    /// How wide its mark is, and where what comes after it begins.
    Item(usize, usize),
    /// What stands around it, and where it began.
    Marked(&'static str, usize),
    Link(Option<String>, usize),
    /// What is in it so far, and its language.
    Code(String, String),
    Table,
    /// How many cells it has had, and whether they are a head.
    Row(usize, bool),
    Cell,
}

struct Page {
    base: Url,
    title: String,
    out: String,
    open: Vec<Open>,
    /// Elements that are open beyond [`DEEPEST`].
    ignored: usize,
    /// Line ends that are due before what comes next.
    gap: usize,
    /// A space is due.
    space: bool,
    /// How many of the open elements show nothing.
    hidden: usize,
}

impl Page {
    fn new(base: Url) -> Self {
        Self {
            base,
            title: String::new(),
            out: String::new(),
            open: Vec::new(),
            ignored: 0,
            gap: 0,
            space: false,
            hidden: 0,
        }
    }

    fn finish(mut self) -> (String, String) {
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        self.out.truncate(self.out.trim_end().len());
        (title, self.out)
    }

    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = tag.name.to_string();
        let result = match name.as_str() {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "iframe" | "noembed" | "noframes" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            "plaintext" => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        };
        match name.as_str() {
            "base" => {
                let base = attribute(&tag.attrs, "href").and_then(|href| self.base.join(href).ok());
                if let Some(base) = base.filter(|base| base.as_str().len() <= LONGEST_BASE) {
                    self.base = base;
                }
            }
            "br" => self.line(),
            "wbr" | "area" | "col" | "embed" | "input" | "link" | "meta" | "param" | "source" | "track" => {}
            "hr" => {
                self.gap(2);
                self.word("---");
                self.gap(2);
            }
            "img" => self.image(tag),
            _ => self.enter(name, tag),
        }
        result
    }

    fn enter(&mut self, name: String, tag: &Tag) {
        self.close_implied(&name);
        if self.open.len() >= DEEPEST {
            self.ignored += 1;
            return;
        }
        let what = match name.as_str() {
            "title" if self.open.iter().all(|open| open.name != "svg") => What::Title,
            "script" | "style" | "noscript" | "template" | "svg" | "math" | "iframe" | "noembed" | "noframes"
            | "object" | "canvas" | "select" | "datalist" | "title" => What::Hidden,
            _ if attribute(&tag.attrs, "hidden").is_some() => What::Hidden,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.gap(2);
                let level = name[1..].parse().unwrap_or(1);
                self.word(&"#".repeat(level));
                self.space = true;
                What::Heading
            }
            "blockquote" => {
                self.gap(2);
                What::Quote
            }
            "ul" | "menu" | "dir" => self.list(None),
            "ol" => {
                let first = attribute(&tag.attrs, "start").and_then(|start| start.parse().ok());
                self.list(Some(first.unwrap_or(1)))
            }
            "li" => self.item(),
            "b" | "strong" => self.marked("**"),
            "i" | "em" | "cite" => self.marked("_"),
            "code" | "kbd" | "samp" | "tt" if self.is_in_code() => {
                self.learn_language(tag);
                What::Plain
            }
            "code" | "kbd" | "samp" | "tt" => self.marked("`"),
            "a" => self.link(tag),
            "pre" | "listing" | "xmp" | "plaintext" => {
                self.gap(2);
                let language = language(tag);
                What::Code(String::new(), language)
            }
            "table" => {
                self.gap(2);
                What::Table
            }
            "tr" => {
                self.row_gap();
                What::Row(0, false)
            }
            "td" | "th" => self.cell(name == "th"),
            "dt" | "dd" | "figcaption" | "summary" | "caption" | "option" => {
                self.gap(1);
                What::Plain
            }
            _ => {
                if is_block(&name) {
                    self.gap(2);
                }
                What::Plain
            }
        };
        self.hidden += usize::from(matches!(what, What::Hidden));
        self.open.push(Open { name, what });
    }

    fn end(&mut self, name: &str) {
        if self.ignored > 0 {
            self.ignored -= 1;
            return;
        }
        if name == "p" && self.open.iter().all(|open| open.name != "p") {
            return self.gap(2);
        }
        // No end tag ends the cell around its table.
        let is_barrier = |open: &Open| matches!(open.what, What::Table) && !matches!(name, "body" | "html");
        let from_top = self.open.iter().rev().position(|open| open.name == name || is_barrier(open));
        let Some(at) = from_top.map(|from_top| self.open.len() - 1 - from_top) else { return };
        if self.open[at].name == name {
            self.close_to(at);
        }
    }

    /// Closes the elements from this one of the stack on.
    fn close_to(&mut self, at: usize) {
        while self.open.len() > at
            && let Some(open) = self.open.pop()
        {
            self.close(open);
        }
    }

    /// Closes what this start tag ends without saying so.
    fn close_implied(&mut self, name: &str) {
        let (ends, within): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "menu", "dir"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl"]),
            "tr" => (&["tr"], &["table"]),
            "td" | "th" => (&["td", "th"], &["tr", "table"]),
            "thead" | "tbody" | "tfoot" => (&["tr", "thead", "tbody", "tfoot"], &["table"]),
            "a" => (&["a"], &["td", "th", "table"]),
            "option" => (&["option"], &["select"]),
            _ if is_block(name) => (&["p"], &[]),
            _ => return,
        };
        let mut found = None;
        for (at, open) in self.open.iter().enumerate().rev() {
            let name = open.name.as_str();
            let ends_paragraphs = || ends == ["p"] && (is_block(name) || matches!(name, "td" | "th" | "li" | "button"));
            if ends.contains(&name) {
                found = Some(at);
            } else if name == "template" || within.contains(&name) || ends_paragraphs() {
                break;
            }
        }
        if let Some(at) = found {
            self.close_to(at);
        }
    }

    fn close(&mut self, open: Open) {
        match open.what {
            What::Hidden => self.hidden -= 1,
            What::Title | What::Plain if !is_block(&open.name) => {}
            What::Title => {}
            What::Plain | What::Heading | What::Quote | What::Table => self.gap(2),
            What::List(_) => self.gap(if self.in_list() { 1 } else { 2 }),
            What::Item(..) => self.gap(1),
            What::Marked(mark, began) => self.close_mark(mark, began),
            What::Link(href, began) => self.close_link(href, began),
            What::Code(code, language) => self.code(&code, &language),
            What::Row(cells, is_head) => {
                if is_head && !self.in_cell() {
                    self.gap(1);
                    self.word(&vec!["---"; cells].join(" | "));
                }
                self.row_gap();
            }
            What::Cell => self.space = true,
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(Open { what: What::Title, .. }) = self.open.last() {
            if self.title.len() < 1000 {
                self.title.push_str(text);
            }
            return;
        }
        if !self.is_shown() {
            return;
        }
        if let Some(code) = self.open_code() {
            code.push_str(text);
            return;
        }
        for (index, word) in text.split(|c: char| c.is_ascii_whitespace()).enumerate() {
            self.space |= index > 0;
            if !word.is_empty() {
                self.word(word);
            }
        }
    }

    /// Writes a word after the line ends and the space that are due. False if nothing is to be shown.
    fn word(&mut self, word: &str) -> bool {
        if !self.is_shown() {
            return false;
        }
        if self.out.is_empty() {
            self.out = self.prefix();
        } else if self.gap > 0 {
            let prefix = self.prefix();
            for _ in 0..self.gap {
                self.out.truncate(self.out.trim_end_matches(' ').len());
                self.out.push('\n');
                self.out.push_str(&prefix);
            }
        } else if self.space && !self.is_at_start() {
            self.out.push(' ');
        }
        (self.gap, self.space) = (0, false);
        self.out.push_str(word);
        true
    }

    /// Whether what comes next is to be seen, and there is room for it.
    fn is_shown(&self) -> bool {
        self.hidden == 0 && self.out.len() <= LONGEST
    }

    /// Whether what comes next begins a line, or the inside of a mark.
    fn is_at_start(&self) -> bool {
        let began_here = |open: &Open| match open.what {
            What::Marked(_, began) | What::Link(_, began) => began == self.out.len(),
            _ => false,
        };
        self.out.is_empty() || self.out.ends_with(['\n', ' ']) || self.open.iter().any(began_here)
    }

    /// Asks for line ends. Where text has to stay on one line, a space does.
    fn gap(&mut self, lines: usize) {
        let stays = |open: &Open| matches!(open.what, What::Heading | What::Cell | What::Link(..));
        let item = self.open.iter().rev().find_map(|open| match open.what {
            What::Item(_, began) => Some(began),
            _ => None,
        });
        if item == Some(self.out.len()) {
            // What begins an item stands beside its mark.
        } else if self.open.iter().any(stays) {
            self.space = true;
        } else {
            self.gap = self.gap.max(lines);
        }
    }

    /// Between rows, also of a table in a cell of another.
    fn row_gap(&mut self) {
        self.gap = self.gap.max(1);
    }

    /// A line ends here.
    fn line(&mut self) {
        if let Some(code) = self.open_code() {
            code.push('\n');
        } else {
            self.gap(1);
        }
    }

    /// What stands before each line: for quotes and items.
    fn prefix(&self) -> String {
        let mut prefix = String::new();
        let indenting = self.open.iter().filter(|open| matches!(open.what, What::Quote | What::Item(..)));
        for open in indenting.take(INDENTED) {
            match open.what {
                What::Item(width, _) => prefix.push_str(&"   "[..width.min(3)]),
                _ => prefix.push_str("> "),
            }
        }
        prefix
    }

    fn list(&mut self, first: Option<usize>) -> What {
        self.gap(if self.in_list() { 1 } else { 2 });
        What::List(first)
    }

    fn in_list(&self) -> bool {
        self.open.iter().any(|open| matches!(open.what, What::List(_)))
    }

    fn in_cell(&self) -> bool {
        self.open.iter().any(|open| matches!(open.what, What::Cell))
    }

    fn item(&mut self) -> What {
        self.gap(1);
        let list = self.open.iter_mut().rev().find_map(|open| match &mut open.what {
            What::List(next) => Some(next),
            _ => None,
        });
        let mark = match list {
            Some(Some(number)) => {
                let mark = format!("{number}.");
                *number = number.saturating_add(1);
                mark
            }
            _ => "-".to_owned(),
        };
        if self.word(&mark) {
            self.out.push(' ');
        }
        What::Item(mark.len() + 1, self.out.len())
    }

    fn marked(&mut self, mark: &'static str) -> What {
        let is_nested = self.open.iter().any(|open| matches!(open.what, What::Marked(other, _) if other == mark));
        if is_nested || !self.word(mark) {
            return What::Plain;
        }
        What::Marked(mark, self.out.len())
    }

    fn close_mark(&mut self, mark: &str, began: usize) {
        if self.out.len() <= began {
            self.out.truncate(began.saturating_sub(mark.len()).min(self.out.len()));
        } else {
            self.out.push_str(mark);
        }
    }

    fn link(&mut self, tag: &Tag) -> What {
        if !self.is_shown() {
            return What::Plain;
        }
        let href = attribute(&tag.attrs, "href").filter(|href| !href.starts_with('#'));
        let href = href.and_then(|href| self.base.join(href).ok());
        let href = href.filter(|href| matches!(href.scheme(), "http" | "https" | "mailto" | "ftp"));
        if href.is_none() || self.open_code().is_some() || !self.word("[") {
            return What::Plain;
        }
        What::Link(href.map(String::from), self.out.len())
    }

    fn close_link(&mut self, href: Option<String>, began: usize) {
        if self.out.len() <= began {
            self.out.truncate(began.saturating_sub(1).min(self.out.len()));
        } else if let Some(href) = href {
            self.out.push_str("](");
            self.out.push_str(&href);
            self.out.push(')');
        }
    }

    fn image(&mut self, tag: &Tag) {
        if !self.is_shown() {
            return;
        }
        let alt = attribute(&tag.attrs, "alt").map(|alt| alt.split_whitespace().collect::<Vec<_>>().join(" "));
        let source = attribute(&tag.attrs, "src").and_then(|source| self.base.join(source).ok());
        let source = source.filter(|source| matches!(source.scheme(), "http" | "https"));
        if let (Some(alt), Some(source)) = (alt.filter(|alt| !alt.is_empty()), source)
            && self.open_code().is_none()
        {
            self.word(&format!("![{alt}]({source})"));
        }
    }

    fn cell(&mut self, is_head: bool) -> What {
        // Those of a table in a cell are no columns of the outer one, and are shown in the same way.
        let row = self.open.iter_mut().rev().find_map(|open| match &mut open.what {
            What::Row(cells, head) => Some((cells, head)),
            _ => None,
        });
        let is_first = match row {
            Some((cells, head)) => {
                *cells += 1;
                *head = is_head && (*cells == 1 || *head);
                *cells == 1
            }
            None => true,
        };
        if !is_first {
            self.space = true;
            self.word("|");
            self.space = true;
        }
        What::Cell
    }

    fn is_in_code(&self) -> bool {
        self.open.iter().any(|open| matches!(open.what, What::Code(..)))
    }

    fn open_code(&mut self) -> Option<&mut String> {
        self.open.iter_mut().rev().find_map(|open| match &mut open.what {
            What::Code(code, _) => Some(code),
            _ => None,
        })
    }

    fn learn_language(&mut self, tag: &Tag) {
        let named = language(tag);
        for open in &mut self.open {
            if let What::Code(_, language) = &mut open.what
                && language.is_empty()
            {
                language.clone_from(&named);
            }
        }
    }

    fn code(&mut self, code: &str, language: &str) {
        let code = code.strip_prefix('\n').unwrap_or(code).trim_end();
        if code.is_empty() {
            return;
        }
        if let Some(outer) = self.open_code() {
            outer.push_str(code);
            return;
        }
        let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat((longest + 1).max(3));
        // A cell or a heading is no place for it, but that is what the page wants.
        self.gap = self.gap.max(2);
        self.word(&format!("{fence}{language}"));
        for line in code.lines() {
            self.gap = 1;
            self.word(line);
        }
        self.gap = 1;
        self.word(&fence);
        self.gap = 2;
    }
}

fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

/// From a class like `language-rust` or `highlight-source-rust`.
fn language(tag: &Tag) -> String {
    let classes = attribute(&tag.attrs, "class").unwrap_or_default();
    let named = classes.split_whitespace().find_map(|class| {
        ["language-", "lang-", "highlight-source-"].iter().find_map(|prefix| class.strip_prefix(prefix))
    });
    let is_word =
        |name: &&str| name.len() < 20 && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-#_".contains(c));
    named.filter(is_word).unwrap_or_default().to_owned()
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "main"
            | "header"
            | "footer"
            | "nav"
            | "aside"
            | "figure"
            | "form"
            | "fieldset"
            | "address"
            | "details"
            | "dl"
            | "ul"
            | "ol"
            | "menu"
            | "table"
            | "pre"
            | "blockquote"
            | "center"
            | "body"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        let markdown = converted(html, "https://example.org/a/b").text;
        assert_eq!(markdown, expected, "{html}");
    }

    fn converted(html: &str, base: &str) -> Converted {
        convert(html, &Url::parse(base).unwrap(), || true)
    }

    #[test]
    fn text_is_structured() {
        check("<h1>One</h1>\n<p>some  text\n<b>and</b> <i> more </i>.", "# One\n\nsome text **and** _more_ .");
        check("a<br>b<hr>c", "a\nb\n\n---\n\nc");
        check(
            "<ul><li>a<li>b<ul><li>c</ul></ul><ol start=3><li>d<li><p>e<p>f</ol>g",
            "- a\n- b\n  - c\n\n3. d\n4. e\n\n   f\n\ng",
        );
        check("<blockquote><p>a<p>b</blockquote>c", "> a\n>\n> b\n\nc");
        check("<p>x <code>let a</code>, <b></b><a href=x></a>end", "x `let a`, end");
        check("&lt;b&gt; &amp; &eacute;&#x1F3CD;", "<b> & é🏍");
    }

    #[test]
    fn links_and_images_are_absolute() {
        check("<a href=c?x=1><span> the </span>page</a>", "[the page](https://example.org/a/c?x=1)");
        check(
            "<base href=/z/><a href=c>x</a> <a href='#top'>y</a> <a href='javascript:f()'>z</a>",
            "[x](https://example.org/z/c) y z",
        );
        check("<a href=/c><div>a</div><div>b</div></a>", "[a b](https://example.org/c)");
        check(
            "<img src=/i.png alt='an  image'><img src=j><img src=data:x alt=y>",
            "![an image](https://example.org/i.png)",
        );
        check("<a href=/x>one<a href=/y>two</a>", "[one](https://example.org/x)[two](https://example.org/y)");
    }

    #[test]
    fn code_is_kept_as_it_is() {
        check(
            "<pre class=x><code class='hl language-rust'>fn f() {\n  <span>a</span> *b*\n}\n</code></pre>",
            "```rust\nfn f() {\n  a *b*\n}\n```",
        );
        check("<pre>a ``` b</pre>", "````\na ``` b\n````");
        check("<ul><li>x<pre>a\n  b</pre></ul>", "- x\n\n  ```\n  a\n    b\n  ```");
    }

    #[test]
    fn tables_have_rows() {
        check("<table><tr><th>a<th>b<tr><td>c<td><p>d<p>e</table>x", "a | b\n--- | ---\nc | d e\n\nx");
        check("<table><tr><td>x<table><tr><td>1<tr><td>2</table></td><td>y</table>", "x\n1\n2\n| y");
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        check(
            "<script>if (a < b) '</p>'</script><style>p{}</style><p>a<template><p>b</template><p hidden>c</p>d",
            "a\n\nd",
        );
        let page = converted("<title>A &amp;\n B</title><svg><title>no</title></svg>x", "http://e");
        assert_eq!((page.title.as_str(), page.text.as_str()), ("A & B", "x"));
    }

    #[test]
    fn no_page_is_too_deep_or_too_broken() {
        for element in ["div", "b", "blockquote", "ul><li", "table><tr><td", "a href=x", "pre", "span", "ol"] {
            let name = element.split([' ', '>']).next().unwrap();
            let deep = format!("<{element}>").repeat(20_000) + "deep" + &format!("</{name}>").repeat(20_000) + "<p>end";
            let text = converted(&deep, "http://e").text;
            assert!(text.contains("deep"), "{element}");
            assert!(text.len() < 10_000_000, "{element}: {}", text.len());
        }
        for html in [
            "</p></div>",
            "<",
            "<a",
            "<!--",
            "<![CDATA[x",
            "<table></td></table></table>",
            "<li><td><tr>x",
            "<pre>",
            "<b><i></b>x</i>",
        ] {
            converted(html, "http://e");
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds_and_a_long_base_is_none() {
        let backticks = converted(&format!("<pre>{}</pre>", "`".repeat(1 << 20)), "http://e").text;
        assert!(backticks.starts_with("````") && backticks.len() > 3 << 20, "a fence that is longer still");
        let base = format!("<base href='/{}'>", "b".repeat(LONGEST_BASE));
        check(&(base + "<a href=x>y</a>"), "[y](https://example.org/a/x)");
    }

    #[test]
    fn a_page_is_left_where_it_no_longer_goes_on() {
        let looks = std::cell::Cell::new(0);
        let html = format!("<p>begin<p>{}<p>end", "<i a=b>".repeat(PIECE));
        let page = convert(&html, &Url::parse("http://e").unwrap(), || looks.replace(looks.get() + 1) < 3);
        assert!(page.text.starts_with("begin") && !page.text.contains("end") && !page.is_whole, "{}", page.text.len());
        assert!(converted(&html, "http://e").is_whole);
    }

    proptest::proptest! {
        #[test]
        fn any_soup_of_tags_becomes_text(soup in "(<(/?)(a href=x|b|p|li|ul|ol|td|tr|th|table|pre|code|h1|blockquote|br|title|script|svg)>| |w|\n|&amp;){0,60}") {
            converted(&soup, "http://e");
        }
    }
}
