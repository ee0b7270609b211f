//! Which phase follows which. Pure.

use crate::ports::journal::Phase;
use crate::ports::objects::Standing;

/// The phase after this one is through.
#[must_use]
pub const fn after(phase: Phase) -> Phase {
    match phase {
        Phase::Planned => Phase::Shadowing,
        Phase::Shadowing => Phase::Arming,
        Phase::Arming => Phase::Copying,
        Phase::Copying => Phase::Verifying,
        Phase::Verifying => Phase::Holding,
        Phase::Holding => Phase::Switching,
        Phase::Altering => Phase::Done,
        Phase::Switching => Phase::Finishing,
        Phase::Finishing | Phase::Done => Phase::Done,
        Phase::Undoing | Phase::Undone => Phase::Undone,
    }
}

/// What to do about a job found in `phase` when the servers show `standing`: the phase to go on with, or why not.
/// `armed` is how many triggers keep the shadow in step.
///
/// # Errors
/// A sentence, when what stands contradicts what the journal says.
pub fn resume(phase: Phase, standing: &Standing, armed: u8) -> Result<Phase, String> {
    let switched = standing.switched();
    match phase {
        // Only the RENAME makes the retired name: it came through after all.
        Phase::Switching | Phase::Undoing if switched => Ok(Phase::Finishing),
        Phase::Planned | Phase::Shadowing | Phase::Done | Phase::Undone | Phase::Undoing => Ok(phase),
        Phase::Finishing if standing.source => Ok(phase),
        // Nothing may be missing: whatever was written while a trigger was gone is not in the shadow.
        Phase::Arming if standing.source && standing.shadow => Ok(phase),
        // Verified again: the crash may be long ago, and the proof is cheap.
        Phase::Verifying | Phase::Holding | Phase::Switching if whole(standing, armed) => Ok(Phase::Verifying),
        Phase::Copying if whole(standing, armed) => Ok(phase),
        Phase::Altering => Err("the journal has a phase that no copy goes through".to_owned()),
        Phase::Arming | Phase::Copying | Phase::Verifying | Phase::Holding | Phase::Switching | Phase::Finishing => {
            Err(format!("the journal says {}, but {}", phase.as_str(), described(standing)))
        }
    }
}

/// Whether a job in this phase may be undone, given what stands.
#[must_use]
pub const fn undoable(phase: Phase, standing: &Standing) -> bool {
    match phase {
        // What was altered is asked of the tables themselves (`standing`).
        Phase::Altering | Phase::Finishing | Phase::Done | Phase::Undone => false,
        Phase::Switching => !standing.switched(),
        Phase::Planned
        | Phase::Shadowing
        | Phase::Arming
        | Phase::Copying
        | Phase::Verifying
        | Phase::Holding
        | Phase::Undoing => true,
    }
}

/// Whether nothing of what keeps the shadow in step is missing.
pub(super) const fn whole(standing: &Standing, armed: u8) -> bool {
    standing.source && standing.shadow && standing.triggers == armed
}

/// What stands, in words.
pub(super) fn described(standing: &Standing) -> String {
    format!(
        "the servers have: source {}, shadow {}, retired {}, {} triggers",
        word(standing.source),
        word(standing.shadow),
        word(standing.retired),
        standing.triggers
    )
}

const fn word(there: bool) -> &'static str {
    if there { "there" } else { "missing" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARMED: Standing = Standing { source: true, shadow: true, retired: false, triggers: 3 };
    const SWITCHED: Standing = Standing { source: true, shadow: false, retired: true, triggers: 3 };

    #[test]
    fn resumes_by_what_stands() {
        let gap = || Standing { triggers: 2, ..ARMED };
        //  journal           servers    goes on with             why
        let cases = [
            (Phase::Copying, ARMED, Some(Phase::Copying), "all there"),
            (Phase::Copying, gap(), None, "a trigger was missing: changes are lost"),
            (Phase::Arming, gap(), Some(Phase::Arming), "nothing copied yet"),
            (Phase::Holding, ARMED, Some(Phase::Verifying), "proven anew"),
            (Phase::Switching, ARMED, Some(Phase::Verifying), "the RENAME did not happen"),
            (Phase::Switching, SWITCHED, Some(Phase::Finishing), "the RENAME happened"),
            (Phase::Undoing, ARMED, Some(Phase::Undoing), "undone further"),
            (Phase::Undoing, SWITCHED, Some(Phase::Finishing), "the RENAME came through while it was undone"),
            (Phase::Verifying, SWITCHED, None, "somebody else renamed"),
        ];
        for (phase, standing, next, why) in cases {
            assert_eq!(resume(phase, &standing, 3).ok(), next, "{why}");
        }
    }

    #[test]
    fn undoes_only_before_the_switch() {
        assert!(undoable(Phase::Copying, &ARMED));
        assert!(undoable(Phase::Switching, &ARMED));
        assert!(!undoable(Phase::Switching, &SWITCHED));
        assert!(!undoable(Phase::Finishing, &SWITCHED));
    }

    #[test]
    fn every_phase_leads_to_an_end() {
        let mut phase = Phase::Planned;
        for _ in 0..20 {
            phase = after(phase);
        }
        assert_eq!(phase, Phase::Done);
        assert_eq!(after(Phase::Undoing), Phase::Undone);
    }
}
