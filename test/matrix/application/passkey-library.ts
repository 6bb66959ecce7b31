/** Whether @simplewebauthn/server is installed. Each application of the matrix gets a file of its own in place of this one. */
export const HAS_PASSKEY_LIBRARY: boolean = true;
