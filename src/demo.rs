//! The whole main job against the simulated tenant, over real HTTP, told as a story.

mod decided;
mod first;
mod refused;
mod returned;
mod town;

use std::io::Write;
use std::time::Duration;

/// How long each part of the story may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Something in the demo did not go as it should.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

impl DemoError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Plays the demo and tells it to `out`.
///
/// # Errors
/// At the first part of the story that does not come true.
pub async fn demo(out: &mut (impl Write + Send)) -> Result<(), DemoError> {
    let mut story = Story { out };
    story.main_job().await?;
    story.say(
        "\nWoodgrove once more, as it was at the beginning: what happens where a person is to decide,\n\
         and where things do not go so smoothly.",
    )?;
    let mut asked = story.people_decide().await?;
    story.microsoft_refuses().await?;
    story.it_comes_back().await?;
    story.it_is_put_back(&mut asked).await
}

struct Story<'a, W> {
    out: &'a mut W,
}

impl<W: Write + Send> Story<'_, W> {
    fn say(&mut self, line: &str) -> Result<(), DemoError> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(DemoError::of)
    }

    /// Says what was seen, or stops the story.
    fn claim(&mut self, held: bool, line: &str) -> Result<(), DemoError> {
        if held {
            return self.say(&format!("   ✓ {line}"));
        }
        self.say(&format!("   ✗ {line}"))?;
        Err(DemoError(format!("this did not come true: {line}")))
    }
}
