use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};
use msa::View;

/// What a tensor of candle is to msa: its buffer from where it starts, with its shape and strides.
pub(crate) fn view<'a, T: WithDType, const RANK: usize>(
    operand: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<View<'a, T, RANK>> {
    let Ok(shape) = <[usize; RANK]>::try_from(layout.dims()) else {
        bail!("{operand} has {} axes, expected {RANK}", layout.dims().len());
    };
    let elements = storage.as_slice::<T>().map_err(|error| error.context(operand))?;
    // A tensor without elements may start anywhere.
    let elements = elements.get(layout.start_offset()..).unwrap_or_default();
    let strides = layout.stride().iter().enumerate();
    let dense = View::contiguous(elements, shape);
    Ok(strides.fold(dense, |view, (axis, &stride)| view.with_stride(axis, stride)))
}

/// Lends a tensor that an op has, rather than is applied to.
pub(crate) fn with_storage<R>(
    operand: &'static str,
    tensor: &Tensor,
    run: impl FnOnce(&CpuStorage, &Layout) -> Result<R>,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => run(storage, layout),
        _ => bail!("{operand} is on {:?}, expected the CPU", tensor.device().location()),
    }
}
