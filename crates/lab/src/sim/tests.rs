//! The model against what is known without it, and the claims of the laboratory.
