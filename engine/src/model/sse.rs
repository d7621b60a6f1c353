//! Server-sent events: bytes in, whole events out.

/// Most bytes of one event. A piece of an answer has some hundred; a line without end must not fill the memory.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// A reader of one stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Bytes of the line that has not ended yet.
    line: Vec<u8>,
    /// The lines of data of the event that has not ended yet.
    data: Option<String>,
    /// The last byte was a carriage return, so a line feed now is the second half of the same line end.
    after_return: bool,
}

/// An event without end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes the next bytes and gives the data of the events that they end, in order. Names of events and comments are
    /// left out: both providers' forms say in the data what it is.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let second_half = std::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => self.end_line(&mut events),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > MAX_EVENT_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, events: &mut Vec<String>) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            events.extend(self.data.take());
            return;
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
        let Some(data) = line.strip_prefix("data") else {
            return;
        };
        let Some(data) = data.strip_prefix(':').or(data.is_empty().then_some("")) else {
            return;
        };
        let data = data.strip_prefix(' ').unwrap_or(data);
        match &mut self.data {
            Some(lines) => {
                lines.push('\n');
                lines.push_str(data);
            }
            None => self.data = Some(data.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<String> {
        Events::default().push(text.as_bytes()).expect("short")
    }

    #[test]
    fn data_ends_with_an_empty_line() {
        assert_eq!(read("data: a\n\ndata:b\r\n\r\ndata: c\r\rdata: unfinished\n"), ["a", "b", "c"]);
    }

    #[test]
    fn lines_of_one_event_are_joined() {
        assert_eq!(read("data: a\ndata:  b\ndata\n\n"), ["a\n b\n"]);
    }

    #[test]
    fn comments_names_and_other_fields_carry_no_data() {
        assert_eq!(read("\u{feff}: ping\nevent: x\nid: 1\nretry: 3\ndatabase: no\n\ndata: a\nevent: x\n\n"), ["a"]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..32).map(|_| events.push(&piece)).position(|r| r == Err(TooLong));
        assert_eq!(refused, Some(16));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            lines in prop::collection::vec("(data: ?[a-zé😀 ]{0,6}|: c|event: e|)", 0..12),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 12),
            cuts in prop::collection::vec(1usize..5, 0..40),
        ) {
            let text: String = lines.iter().zip(&ends).map(|(l, e)| format!("{l}{e}")).collect();
            let whole = read(&text);
            let (mut events, mut rest, mut found) = (Events::default(), text.as_bytes(), Vec::new());
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                found.extend(events.push(piece).expect("short"));
                rest = left;
            }
            found.extend(events.push(rest).expect("short"));
            prop_assert_eq!(found, whole);
        }
    }
}
