//! Scripts run by the one test binary of this package.
