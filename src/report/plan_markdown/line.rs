//! A line of our own words and foreign ones, written as Markdown or, within the tags that fold, as HTML.

use super::escape;

enum Piece {
    Strong(&'static str),
    Text(String),
    Code(String),
}

/// One line.
#[derive(Default)]
pub(super) struct Line(Vec<Piece>);

impl Line {
    pub(super) fn strong(mut self, word: &'static str) -> Self {
        self.0.push(Piece::Strong(word));
        self
    }

    /// Words of our own, nothing foreign.
    pub(super) fn text(mut self, words: &str) -> Self {
        self.0.push(Piece::Text(words.to_owned()));
        self
    }

    /// Something foreign.
    pub(super) fn code(mut self, foreign: &str) -> Self {
        self.0.push(Piece::Code(foreign.to_owned()));
        self
    }

    pub(super) fn markdown(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Strong(word) => format!("**{word}**"),
            Piece::Text(words) => words.clone(),
            Piece::Code(foreign) => escape::code(foreign),
        };
        self.0.iter().map(piece).collect()
    }

    pub(super) fn html(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Strong(word) => format!("<b>{word}</b>"),
            Piece::Text(words) => escape::html(words),
            Piece::Code(foreign) => escape::html_code(foreign),
        };
        self.0.iter().map(piece).collect()
    }
}
