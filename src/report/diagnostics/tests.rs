//! Samples that the renderings share.
