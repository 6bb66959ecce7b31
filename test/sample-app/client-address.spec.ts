import { describe, expect, it } from 'vitest';

import { clientAddress } from '../../sample-app/src/http/client-address.js';
import type { HttpRequest } from '../../sample-app/src/http/http.js';

const addressOf = (ip: string | undefined): string => clientAddress({ ip } as HttpRequest);

describe('The address by which a client is counted', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2::/64'],
    ['::192.0.2.1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['192.0.2.1:61234', '192.0.2.1'],
    ['[2001:db8:1:2::5]:61234', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::5]', '2001:db8:1:2::/64'],
    ['[::ffff:192.0.2.1]:61234', '192.0.2.1'],
    ['192.0.2.1:port', 'unknown'],
    ['_hidden', 'unknown'],
    ['_hidden:61234', 'unknown'],
    [undefined, 'unknown'],
  ])('is for %s %s', (ip, expected) => {
    expect(addressOf(ip)).toBe(expected);
  });

  it('is the same for every spelling of one network, and differs between networks', () => {
    const spellings = [
      '2001:db8::5',
      '2001:DB8:0:0:0:0:0:5',
      '2001:db8:0:0:ffff::',
      '2001:0db8::a',
    ];
    expect(new Set(spellings.map(addressOf)).size).toBe(1);
    expect(addressOf('2001:db8:0:1::5')).not.toBe(addressOf('2001:db8::5'));
  });
});
