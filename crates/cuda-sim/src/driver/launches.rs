//! Which launches may overlap: each stream's since something else has ordered it.

use std::collections::HashMap;
use std::sync::Mutex;

use super::context::Context;
use super::lock;
use super::stream::Target;
use super::table::Handle;

/// The streams' launches that others may begin before the end of.
#[derive(Default)]
pub(super) struct Launches(Mutex<HashMap<Key, crate::Stream>>);

/// A context, and a stream of it; no stream for the legacy one.
type Key = (Handle, Option<Handle>);

impl Launches {
    /// What a stream has been given, for a launch in it. The legacy stream waits for the others of its
    /// context, and they for it.
    pub(super) fn of<T>(&self, target: &Target, launch: impl FnOnce(&mut crate::Stream) -> T) -> T {
        let context = target.context().handle;
        let mut all = lock(&self.0);
        let key = match target {
            Target::Legacy(_) => {
                all.retain(|(of, stream), _| *of != context || stream.is_none());
                (context, None)
            }
            Target::Stream(stream) => {
                if stream.is_blocking() {
                    all.remove(&(context, None));
                }
                (context, Some(stream.handle))
            }
        };
        let mut stream = all.remove(&key).unwrap_or_default();
        // Launches of other streams need not wait for this one here.
        drop(all);
        let outcome = launch(&mut stream);
        lock(&self.0).insert(key, stream);
        outcome
    }

    /// Something has been done in a context, or waited for, that is no launch: all launches may have ended
    /// before it. So nothing false is told of work whose order other streams and events say.
    pub(super) fn settle(&self, context: &Context) {
        lock(&self.0).retain(|(of, _), _| *of != context.handle);
    }
}
