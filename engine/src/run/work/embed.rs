//! `embed`: texts made vectors. An embedding is no call.

use super::{Job, Step};
use crate::check::flow::{Embed, Retry};
use crate::run::error::ErrorName;
use crate::run::frame::FrameId;
use crate::run::models::{Models, Prices, Resolved};
use crate::run::scope::{list, text, value};
use crate::run::state::{Fault, RunState};
use crate::template::Scope;
use std::sync::Arc;
use std::time::Duration;

/// What is embedded, and which models may do it.
pub(super) struct EmbedJob<'f> {
    embed: &'f Embed,
    texts: Arc<Vec<String>>,
    models: Vec<Resolved<'f>>,
    model: usize,
}

/// One embedding asked of a model.
pub(in crate::run) struct Embedding<'f> {
    pub(super) model: String,
    pub(super) texts: Arc<Vec<String>>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: &'f Retry,
}

/// What an `embed` embeds.
pub(super) fn job<'f>(
    embed: &'f Embed,
    models: &Models,
    prices: &Prices,
    scope: &dyn Scope,
) -> Result<EmbedJob<'f>, Fault> {
    let texts = value(&embed.texts, scope)?;
    let texts = list("embed.texts", &texts)?.iter().map(|item| text("embed.texts", item));
    let texts = Arc::new(texts.collect::<Result<_, _>>()?);
    let models = models.of_embed(&embed.models, prices);
    if models.is_empty() {
        return Err(Fault::new(ErrorName::Rejected, "no model to embed with is known"));
    }
    Ok(EmbedJob { embed, texts, models, model: 0 })
}

impl<'f> EmbedJob<'f> {
    pub(super) fn step(&self) -> Embedding<'f> {
        Embedding {
            model: self.models[self.model].name.clone(),
            texts: Arc::clone(&self.texts),
            timeout: self.embed.timeout,
            retry: &self.embed.retry,
        }
    }
}

impl RunState<'_> {
    /// A model did not embed: another one is asked, or the work fails.
    pub(super) fn embed_failed(&mut self, id: FrameId, fault: Fault) {
        let Job::Embed(job) = &mut self.frames.work_mut(id).job else {
            unreachable!("internal error: nothing is embedded")
        };
        if fault.name.falls_back() && job.model + 1 < job.models.len() {
            job.model += 1;
            let step = Step::Embed(job.step());
            return self.next_step(id, step);
        }
        self.work_ended(id, Err(fault));
    }
}
