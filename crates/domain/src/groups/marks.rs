//! Whose read positions in a group are shown to whom.
//! Always true: of a member who does not show a viewer what was read, or to whom the viewer does not, the viewer gets what was
//! delivered; one's own position is always whole.

use crate::Domain;
use sotto_ports::{Audience, GroupMark, StoreError};
use sotto_types::AccountId;

/// Marks on their way to several viewers, with what each member shows.
#[derive(Debug, Clone)]
pub struct MarksToShow {
    marks: Vec<(GroupMark, Audience)>,
    hides_any: bool,
}

impl Domain {
    pub async fn marks_to_show(&self, marks: &[GroupMark]) -> Result<MarksToShow, StoreError> {
        let mut shown = Vec::with_capacity(marks.len());
        for mark in marks {
            // Without a read position there is nothing to hide.
            let audience = match mark.read {
                Some(_) => self.people.reading_audience(mark.member).await?,
                None => Audience::Everyone,
            };
            shown.push((*mark, audience));
        }
        let hides_any = shown.iter().any(|(_, audience)| *audience != Audience::Everyone);
        Ok(MarksToShow { marks: shown, hides_any })
    }

    /// `None`: all of them, as they are.
    pub async fn marks_for(&self, viewer: AccountId, all: &MarksToShow) -> Result<Option<Vec<GroupMark>>, StoreError> {
        let own = self.people.reading_audience(viewer).await?;
        if own == Audience::Everyone && !all.hides_any {
            return Ok(None);
        }
        let mut shown = Vec::with_capacity(all.marks.len());
        for (mark, audience) in &all.marks {
            let member = mark.member;
            let is_open = mark.read.is_none()
                || member == viewer
                || (self.people.is_in(*audience, member, viewer).await?
                    && self.people.is_in(own, viewer, member).await?);
            let mark = if is_open { *mark } else { GroupMark { read: None, ..*mark } };
            if mark.delivered.is_some() || mark.read.is_some() {
                shown.push(mark);
            }
        }
        Ok(Some(shown))
    }
}
