//! Colours and weights; without colours, weights alone.

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

    pub fn tick(&self, status: MessageStatus) -> Style {
        match status {
            MessageStatus::Read => self.fg(Color::LightBlue).add_modifier(Modifier::BOLD),
            MessageStatus::Failed | MessageStatus::Held => self.warn(),
            _ => self.dim(),
        }
    }
}
