"""Published ports: held against others, and what comes in there carried to the instance."""
