//! `griddepcontrol`: how a launch depends on the one before it in its stream.

use super::decode::Text;
use crate::error::LoadError;
use crate::exec::Cx;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Dependency {
    /// Those that depend on this launch may begin.
    Release,
    /// For the end of the launches that this one depends on.
    Wait,
}

impl Dependency {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let action = text.one_of(&[("launch_dependents", Self::Release), ("wait", Self::Wait)]);
        text.finish(0)?;
        action.ok_or_else(|| text.refuse("expected .launch_dependents or .wait"))
    }

    pub(super) fn execute(self, cx: &mut Cx) {
        let (warp, waited) = (cx.warp.index, cx.cluster.waited());
        match self {
            Self::Release => {
                cx.block.steps.released = true;
                cx.block.steps.released_unwaited |= !cx.block.knows(warp, waited);
            }
            Self::Wait => {
                cx.block.steps.waited = true;
                cx.block.learn_of(warp, waited);
            }
        }
    }
}
