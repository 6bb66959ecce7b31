/**
 * Waits for a code that the browser reads from a text message (Web OTP). The message ends with a line such as
 * `@acme.example #042317`. In a browser without Web OTP the result is `null` at once.
 */
export async function codeFromMessage(signal: AbortSignal): Promise<string | null> {
  if (!('OTPCredential' in globalThis)) return null;
  // TypeScript knows neither the option nor the credential.
  const input: object = { otp: { transport: ['sms'] }, signal };
  try {
    const credential = await navigator.credentials.get(input);
    return credential !== null && 'code' in credential ? String(credential.code) : null;
  } catch {
    // The person has declined, or the signal has ended it: the field is still there.
    return null;
  }
}
