//! How much of a result reaches the model, and what becomes of the rest.

use std::sync::Arc;

use super::{Outputs, ToolError, outputs::Shape};
use crate::transcript::ResultContent;

/// How much of a call's result reaches the model. The loop holds every tool to one, whatever it returns.
///
/// ```
/// use std::sync::Arc;
///
/// use pillion::tool::{Budget, Output, Outputs};
///
/// let outputs = Arc::new(Outputs::default());
/// let long = Output::text("the same line\n".repeat(10_000));
///
/// let short = Budget::store(5_000).hold(long.content, &outputs, "call_1")?;
/// let [pillion::transcript::ResultContent::Text { text }] = &short[..] else { panic!("one text") };
/// assert!(text.len() < 5_200 && text.contains("135000 bytes left out: go on with read_output"));
/// assert!(outputs.open("call_1").is_some());
/// # Ok::<(), pillion::tool::ToolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes of text, over all parts of a result.
    pub text: usize,
    /// The most images. Those beyond are left out, whatever becomes of text.
    pub images: usize,
    pub excess: Excess,
}

/// What becomes of a result with more text than its budget has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The call fails, and the model is told to ask for less.
    Fail,
    /// The model gets the beginning and the end. What is between them is gone.
    Clip,
    /// As [`Excess::Clip`], and the whole is kept for `read_output`.
    Store,
}

/// Holds two pages of `read`. Chosen: some 30,000 tokens.
const TEXT: usize = 120_000;

/// Chosen: fewer than any provider takes in one request.
const IMAGES: usize = 10;

impl Default for Budget {
    fn default() -> Self {
        Self::store(TEXT)
    }
}

impl Budget {
    pub const fn fail(text: usize) -> Self {
        Self { text, images: IMAGES, excess: Excess::Fail }
    }

    pub const fn clip(text: usize) -> Self {
        Self { text, images: IMAGES, excess: Excess::Clip }
    }

    pub const fn store(text: usize) -> Self {
        Self { text, images: IMAGES, excess: Excess::Store }
    }

    /// Whether [`Self::hold`] gives the content back as it is.
    pub fn has_room_for(self, content: &[ResultContent]) -> bool {
        let (text, images) = measure(content);
        text <= self.text && images <= self.images
    }

    /// The content as the model gets it. What is over the budget comes as one text before the images; a note in it says
    /// what was left out and how to read on. Writes a temporary file where it keeps something.
    ///
    /// # Errors
    /// If it is too long and [`Excess::Fail`] is set.
    pub fn hold(
        self,
        content: Vec<ResultContent>,
        outputs: &Arc<Outputs>,
        call_id: &str,
    ) -> Result<Vec<ResultContent>, ToolError> {
        let (bytes, images) = measure(&content);
        let mut held = Vec::new();
        if bytes > self.text {
            // What the tool itself has kept of this call stays.
            let taken = outputs.open(call_id).is_some();
            let id = if taken { format!("{call_id}.result") } else { call_id.to_owned() };
            let mut recording = outputs.record_as(id, self, Shape::Beginning);
            let mut ends_line = true;
            for part in &content {
                if let ResultContent::Text { text } = part {
                    recording.write(if ends_line { b"" } else { b"\n" });
                    recording.write(text.as_bytes());
                    ends_line = text.is_empty() || text.ends_with('\n');
                }
            }
            let text = recording.finish().into_text()?;
            held.push(ResultContent::Text { text });
        }
        let texts_fit = held.is_empty();
        let mut images_left = self.images;
        for part in content {
            match part {
                ResultContent::Text { .. } if texts_fit => held.push(part),
                ResultContent::Text { .. } => {}
                ResultContent::Image(_) if images_left > 0 => {
                    images_left -= 1;
                    held.push(part);
                }
                ResultContent::Image(_) => {}
            }
        }
        if images > self.images {
            let left_out = images - self.images;
            let text = format!("[{left_out} more images left out: a result may have {}. Ask for less]", self.images);
            held.push(ResultContent::Text { text });
        }
        Ok(held)
    }
}

/// Bytes of text, and images.
fn measure(content: &[ResultContent]) -> (usize, usize) {
    content.iter().fold((0, 0), |(text, images), part| match part {
        ResultContent::Text { text: more } => (text + more.len(), images),
        ResultContent::Image(_) => (text, images + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Image;

    fn text(text: impl Into<String>) -> ResultContent {
        ResultContent::Text { text: text.into() }
    }

    fn image() -> ResultContent {
        ResultContent::Image(Image { media_type: "image/png".into(), data: "AAAA".into() })
    }

    fn hold(budget: Budget, content: Vec<ResultContent>) -> (Arc<Outputs>, Result<Vec<ResultContent>, ToolError>) {
        let outputs = Arc::new(Outputs::default());
        let held = budget.hold(content, &outputs, "call");
        (outputs, held)
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let content = vec![text("a"), image(), text("é")];
        assert_eq!(hold(Budget::fail(3), content.clone()).1.unwrap(), content);
        assert!(Budget::fail(3).has_room_for(&content) && !Budget::fail(2).has_room_for(&content));
    }

    #[test]
    fn all_texts_count_together_and_are_kept_whole() {
        let content = vec![text("a".repeat(60)), image(), text("b".repeat(60))];
        let (outputs, held) = hold(Budget::store(100), content);
        let held = held.unwrap();
        let [ResultContent::Text { text }, ResultContent::Image(_)] = &held[..] else { panic!("{held:?}") };
        let note =
            "[... 21 bytes left out: go on with read_output {\"id\": \"call\", \"offset\": 2, \"column\": 15} ...]";
        assert_eq!(*text, format!("{}\n{}\n{note}\n{}", "a".repeat(60), "b".repeat(14), "b".repeat(25)));
        let mut kept = String::new();
        std::io::Read::read_to_string(&mut outputs.open("call").unwrap(), &mut kept).unwrap();
        assert_eq!(kept, format!("{}\n{}", "a".repeat(60), "b".repeat(60)));
    }

    #[test]
    fn clipping_keeps_nothing_and_never_cuts_a_character() {
        for budget in 1..40 {
            let (outputs, held) = hold(Budget::clip(budget), vec![text("🏍é".repeat(50))]);
            let held = held.unwrap();
            let [ResultContent::Text { text }] = &held[..] else { panic!("{held:?}") };
            assert!(!text.contains('\u{fffd}') && text.contains("were not kept"), "{text}");
            assert!(outputs.open("call").is_none());
        }
    }

    #[test]
    fn failing_says_how_much_it_was() {
        let (outputs, held) = hold(Budget::fail(5), vec![text("123456")]);
        assert_eq!(
            held.unwrap_err().0,
            "the result has 6 bytes, more than the 5 it may have, so none is shown. Ask for less"
        );
        assert!(outputs.open("call").is_none());
    }

    #[test]
    fn images_are_counted() {
        let held = hold(Budget { images: 1, ..Budget::default() }, vec![image(), text("x"), image(), image()]).1;
        let note = text("[2 more images left out: a result may have 1. Ask for less]");
        assert_eq!(held.unwrap(), [image(), text("x"), note]);
    }

    #[test]
    fn what_the_tool_kept_itself_stays() {
        let outputs = Arc::new(Outputs::default());
        for content in ["x".repeat(50), "y".repeat(60)] {
            Budget::store(10).hold(vec![text(content)], &outputs, "call").unwrap();
        }
        assert!(outputs.open("call").is_some() && outputs.open("call.result").is_some());
    }
}
