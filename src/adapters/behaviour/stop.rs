//! How every stop switch behaves.

use crate::domain::stop::Stop;
use crate::ports::TurnStopSwitch;

/// A switch that nobody has touched.
pub(in crate::adapters) async fn it_stops_and_resumes(switch: &dyn TurnStopSwitch) {
    assert_eq!(switch.stopped().await.unwrap(), None);
    assert_eq!(switch.resume().await.unwrap(), None, "there is nothing to resume");
    let first = Stop::new("INC-7", "2026-11-23T12:00:00Z".parse().unwrap());
    switch.stop(&first).await.unwrap();
    assert_eq!(switch.stopped().await.unwrap(), Some(first));
    let second = Stop::new("INC-8, “quoted” {}", "2026-11-23T12:05:00Z".parse().unwrap());
    switch.stop(&second).await.unwrap();
    assert_eq!(switch.stopped().await.unwrap(), Some(second.clone()), "the later word counts");
    assert_eq!(switch.resume().await.unwrap(), Some(second));
    assert_eq!(switch.stopped().await.unwrap(), None);
}
