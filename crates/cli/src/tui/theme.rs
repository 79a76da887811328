//! Colours and weights; without colours, weights alone.

use crate::formatting::Look;
use ratatui::style::{Color, Modifier, Style};
use sotto_engine::api::MessageStatus;

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub colour: bool,
}

impl Theme {
    pub fn fg(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub fn dim(&self) -> Style {
        // Not DarkGray: it is invisible in some themes.
        Style::new().add_modifier(Modifier::DIM)
    }

    pub fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub fn warn(&self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// A part of a text. `of_me`: mentions in it name this person.
    pub fn look(&self, look: Look, of_me: bool) -> Style {
        let mut style = match look {
            Look { mention: true, .. } if of_me => self.warn(),
            Look { mention: true, .. } => self.fg(Color::Magenta).add_modifier(Modifier::BOLD),
            Look { code: true, .. } if self.colour => self.fg(Color::Green),
            Look { code: true, .. } => self.dim(),
            _ => Style::new(),
        };
        let modifiers =
            [(look.bold, Modifier::BOLD), (look.italic, Modifier::ITALIC), (look.strike, Modifier::CROSSED_OUT)];
        for (_, modifier) in modifiers.into_iter().filter(|(is, _)| *is) {
            style = style.add_modifier(modifier);
        }
        style
    }

    pub fn tick(&self, status: MessageStatus) -> Style {
        match status {
            MessageStatus::Read => self.fg(Color::LightBlue).add_modifier(Modifier::BOLD),
            MessageStatus::Failed | MessageStatus::Held => self.warn(),
            _ => self.dim(),
        }
    }
}
