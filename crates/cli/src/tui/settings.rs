//! The own profile, and what others may see: a sheet with two fields and a choice for each setting.
//! Flow: `o` -> what holds is asked for -> Enter saves the fields; an arrow changes a setting at once.
//! Always true: one change of the settings is on its way at a time; what was changed meanwhile goes after it, also when the
//! sheet was closed.

use super::composer::Composer;
use super::input::edit;
use super::state::{App, Sheet, Why};
use crossterm::event::{KeyCode, KeyEvent};
use sotto_engine::api::{Audience, Command, Privacy, PrivacyChanges, ProfileChanges, ProfileView};

/// The rows above the settings.
const FIELDS: usize = 2;
pub const SETTINGS: [(Setting, &str); 6] = [
    (Setting::LastSeen, "last seen"),
    (Setting::Online, "online"),
    (Setting::ReadReceipts, "read receipts"),
    (Setting::Picture, "picture"),
    (Setting::About, "about"),
    (Setting::Groups, "put me into groups"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    LastSeen,
    Online,
    ReadReceipts,
    Picture,
    About,
    Groups,
}

impl Setting {
    /// The audience, and how many are excepted.
    pub fn of(self, privacy: &Privacy) -> (Audience, usize) {
        let rule = match self {
            Self::Online => return (privacy.online, 0),
            Self::ReadReceipts => return (privacy.read_receipts, 0),
            Self::LastSeen => &privacy.last_seen,
            Self::Picture => &privacy.picture,
            Self::About => &privacy.about,
            Self::Groups => &privacy.group_adds,
        };
        (rule.audience, rule.except.len())
    }

    fn set(self, privacy: &mut Privacy, audience: Audience) {
        match self {
            Self::LastSeen => privacy.last_seen.audience = audience,
            Self::Online => privacy.online = audience,
            Self::ReadReceipts => privacy.read_receipts = audience,
            Self::Picture => privacy.picture.audience = audience,
            Self::About => privacy.about.audience = audience,
            Self::Groups => privacy.group_adds.audience = audience,
        }
    }

    /// There, everyone means contacts.
    pub const fn is_for_contacts(self) -> bool {
        matches!(self, Self::LastSeen | Self::Online)
    }

    /// From the widest to the narrowest.
    const fn choices(self) -> &'static [Audience] {
        match self.is_for_contacts() {
            true => &[Audience::Contacts, Audience::Nobody],
            false => &[Audience::Everyone, Audience::Contacts, Audience::Nobody],
        }
    }

    fn moved(self, from: Audience, by: isize) -> Audience {
        let choices = self.choices();
        let at = choices.iter().position(|choice| *choice == from).unwrap_or(0);
        choices.get(at.saturating_add_signed(by).min(choices.len() - 1)).copied().unwrap_or(from)
    }
}

#[derive(Debug, Default)]
pub struct SettingsSheet {
    /// A field, or a setting.
    pub selected: usize,
    pub name: Composer,
    pub about: Composer,
    /// As the engine has it.
    pub profile: Option<ProfileView>,
    /// As the person wants it.
    pub privacy: Option<Privacy>,
    /// As it was asked for last.
    sent: Option<Privacy>,
    /// As the server has it.
    there: Option<Privacy>,
    saving: bool,
}

fn differences(from: &Privacy, to: &Privacy) -> PrivacyChanges {
    let rule =
        |from: &sotto_engine::api::PrivacyRule, to: &sotto_engine::api::PrivacyRule| (from != to).then(|| to.clone());
    let audience = |from: Audience, to: Audience| (from != to).then_some(to);
    PrivacyChanges {
        last_seen: rule(&from.last_seen, &to.last_seen),
        online: audience(from.online, to.online),
        picture: rule(&from.picture, &to.picture),
        about: rule(&from.about, &to.about),
        read_receipts: audience(from.read_receipts, to.read_receipts),
        group_adds: rule(&from.group_adds, &to.group_adds),
    }
}

impl SettingsSheet {
    fn field(&mut self) -> Option<&mut Composer> {
        match self.selected {
            0 => Some(&mut self.name),
            1 => Some(&mut self.about),
            _ => None,
        }
    }

    /// What was typed and not saved.
    pub fn unsaved(&self) -> ProfileChanges {
        let Some(profile) = &self.profile else { return ProfileChanges::default() };
        let changed = |field: &Composer, now: &Option<String>| {
            let typed = field.text().trim();
            (typed != now.as_deref().unwrap_or_default()).then(|| typed.to_owned())
        };
        ProfileChanges {
            display_name: changed(&self.name, &profile.display_name),
            about: changed(&self.about, &profile.about),
            picture: None,
        }
    }

    pub fn is_saving(&self) -> bool {
        self.saving
    }

    /// What is still to be asked for.
    fn due(&mut self) -> Option<PrivacyChanges> {
        let (wanted, sent) = (self.privacy.as_ref()?, self.sent.as_ref()?);
        let changes = differences(sent, wanted);
        if changes == PrivacyChanges::default() {
            return None;
        }
        self.sent = Some(wanted.clone());
        self.saving = true;
        Some(changes)
    }

    fn choose(&mut self, by: isize) {
        let setting = self.selected.checked_sub(FIELDS).and_then(|at| SETTINGS.get(at));
        if let (Some((setting, _)), Some(privacy)) = (setting, &mut self.privacy) {
            let (now, _) = setting.of(privacy);
            setting.set(privacy, setting.moved(now, by));
        }
    }
}

impl App {
    pub fn show_settings(&mut self) {
        self.sheet = Some(Sheet::Settings(Box::default()));
        self.ask(Why::Profile, Command::Profile);
        self.ask(Why::Privacy, Command::Privacy);
    }

    fn settings(&mut self) -> Option<&mut SettingsSheet> {
        match &mut self.sheet {
            Some(Sheet::Settings(sheet)) => Some(sheet),
            _ => None,
        }
    }

    pub fn on_settings_key(&mut self, key: KeyEvent) {
        let Some(sheet) = self.settings() else { return };
        match key.code {
            KeyCode::Esc => {
                let due = sheet.due();
                self.sheet = None;
                if let Some(changes) = due {
                    self.ask(Why::Privacy, Command::SetPrivacy { changes });
                }
            }
            KeyCode::Up | KeyCode::BackTab => sheet.selected = sheet.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => sheet.selected = (sheet.selected + 1).min(FIELDS + SETTINGS.len() - 1),
            KeyCode::Enter => {
                let changes = sheet.unsaved();
                if changes != ProfileChanges::default() {
                    self.ask(Why::Profile, Command::SetProfile { changes });
                }
            }
            KeyCode::Left | KeyCode::Right if sheet.selected >= FIELDS => {
                sheet.choose(if key.code == KeyCode::Left { -1 } else { 1 });
                if !sheet.saving
                    && let Some(changes) = sheet.due()
                {
                    self.ask(Why::Privacy, Command::SetPrivacy { changes });
                }
            }
            _ => {
                // What is not there yet cannot be changed.
                if sheet.profile.is_some()
                    && let Some(field) = sheet.field()
                {
                    edit(field, key);
                }
            }
        }
    }

    pub fn paste_setting(&mut self, text: &str) {
        let known = self.settings().filter(|sheet| sheet.profile.is_some());
        if let Some(field) = known.and_then(SettingsSheet::field) {
            field.insert(&text.trim().replace('\n', " "));
        }
    }

    /// As it is now; what the person is typing stays.
    pub fn on_profile(&mut self, profile: ProfileView) {
        let Some(sheet) = self.settings() else { return };
        let unsaved = sheet.unsaved();
        for (field, typed, now) in [
            (&mut sheet.name, unsaved.display_name, &profile.display_name),
            (&mut sheet.about, unsaved.about, &profile.about),
        ] {
            if typed.is_none() {
                field.take();
                field.insert(now.as_deref().unwrap_or_default());
            }
        }
        sheet.profile = Some(profile);
    }

    pub fn on_privacy(&mut self, privacy: Privacy) {
        let Some(sheet) = self.settings() else { return };
        sheet.saving = false;
        sheet.there = Some(privacy.clone());
        if sheet.sent == sheet.privacy {
            sheet.privacy = Some(privacy.clone());
        }
        sheet.sent = Some(privacy);
        if let Some(changes) = sheet.due() {
            self.ask(Why::Privacy, Command::SetPrivacy { changes });
        }
    }

    /// It was not changed: what the server has holds.
    pub fn on_privacy_error(&mut self) {
        if let Some(sheet) = self.settings() {
            sheet.saving = false;
            sheet.privacy.clone_from(&sheet.there);
            sheet.sent.clone_from(&sheet.there);
        }
    }
}
