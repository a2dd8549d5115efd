//! Reading again what was part of a batch before, to send the very same batch once more.

use rustix::io::Errno;

use super::on::Progress;
use super::{OpenBatch, Piece, Taking, append, charset_of};
use crate::engine::content::is_continued;
use crate::engine::cursor::{Cursor, CursorId};
use crate::engine::files::File;
use crate::engine::stretches;
use crate::positions::Stretch;
use crate::processing::Processing;
use crate::reading::lines::{Passage, Tail};

impl OpenBatch {
    /// Reads again what was part of a batch before. `None` where other bytes stand there now, or none.
    pub(crate) fn read_again(
        &mut self,
        id: CursorId,
        cursor: &mut Cursor,
        file: &mut File,
        (stretch, max_line): (&Stretch, usize),
        processing: &mut Processing<'_>,
    ) -> Result<Option<Piece>, Errno> {
        let from = self.batch.text.len();
        let wanted = stretch.length as usize;
        let got = append(&mut self.batch.text, file, cursor.read, wanted)?;
        let is_same = got == wanted
            && stretches::check(&self.batch.text[from..], stretch.length) == stretch.check
            && is_continued(cursor, file)?;
        if !is_same {
            self.batch.text.truncate(from);
            return Ok(None);
        }
        // What was taken then is taken now, also a line without its end.
        let raw = &self.batch.text[from..];
        let passage = Passage {
            offset: cursor.read,
            state: cursor.state,
            charset: charset_of(cursor, file, raw, processing),
            max_line,
            tail: Tail::Ship,
        };
        let taking = Taking {
            from,
            passage,
            time: stretch.time,
        };
        Ok(match self.take(id, cursor, file, taking, processing) {
            Some(Progress::Read { piece, .. }) => Some(piece),
            _ => None,
        })
    }
}
