"""Identity's front door, by subject: ``organizations``, ``entitlements``, ``house``, ``members``, ``invitations``, ``users``,
``sessions``, ``links``, ``api_keys``, ``callers``, ``test_clock``.

``at`` is the real time, which credentials always follow; ``now`` the organization's, which events carry. Ids are made of ``at``.
"""
