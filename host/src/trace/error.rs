/// Why a trace could not be used. The file's name is for the caller to add.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not a sound safetensors file.
    #[error("not a sound safetensors file")]
    Format(#[from] safetensors::SafeTensorError),
    /// A tensor that the trace needs is not there.
    #[error("tensor {name} is missing")]
    MissingTensor {
        /// Its name.
        name: &'static str,
    },
    /// A tensor has the wrong element type.
    #[error("tensor {name} is {got}, expected {expected}")]
    Dtype {
        /// Its name.
        name: &'static str,
        /// The element type of the contract.
        expected: safetensors::Dtype,
        /// The element type in the file.
        got: safetensors::Dtype,
    },
    /// A tensor has the wrong shape.
    #[error("tensor {name} has shape {got:?}, expected {expected}")]
    Shape {
        /// Its name.
        name: &'static str,
        /// The shape that the contract or the other tensors ask for.
        expected: String,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// A metadata entry that the trace needs is not there.
    #[error("metadata {key} is missing")]
    MissingMetadata {
        /// Its key.
        key: &'static str,
    },
    /// A metadata entry does not say what it should.
    #[error("metadata {key} is {got:?}, expected {expected}")]
    Metadata {
        /// Its key.
        key: &'static str,
        /// What it should say.
        expected: &'static str,
        /// What it says.
        got: String,
    },
}
